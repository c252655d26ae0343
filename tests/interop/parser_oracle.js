// What npm's socket.io-parser makes of packets: the oracle of test_parser_oracle.py.
//
// Reads one JSON object on stdin, answers with one on stdout; knows nothing of fastsio.
//   {"decode": [[text, [base64, ...]], ...]}   one new Decoder per packet: {"packet": ...}, {"refused": why} or {"pending": true}
//   {"encode": [packet, ...]}                  {"text": ..., "attachments": [base64, ...]}
//   {"base64": [text, ...]}                    what Buffer reads, as hexadecimal
// Values that JSON lacks travel as {"$bytes": base64}, {"$undefined": true} and {"$number": "Infinity"}.
"use strict";

const { readFileSync } = require("node:fs");
const { Decoder, Encoder } = require("socket.io-parser");

// Its "exports" hide package.json from require().
const folder = require.resolve("socket.io-parser").replace(/(.*[\\/]socket\.io-parser)[\\/].*/, "$1");
const { version } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));

function toJson(value) {
  if (value === undefined) return { $undefined: true };
  if (typeof value === "number" && !Number.isFinite(value)) return { $number: String(value) };
  if (Buffer.isBuffer(value)) return { $bytes: value.toString("base64") };
  if (Array.isArray(value)) return value.map(toJson);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toJson(item)]));
  }
  return value;
}

function fromJson(value) {
  if (Array.isArray(value)) return value.map(fromJson);
  if (value !== null && typeof value === "object") {
    if ("$bytes" in value) return Buffer.from(value.$bytes, "base64");
    if ("$number" in value) return Number(value.$number);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromJson(item)]));
  }
  return value;
}

function decode([text, attachments]) {
  const decoder = new Decoder();
  let answer = { pending: true };
  decoder.on("decoded", ({ type, nsp, id, data }) => {
    answer = { packet: { type, nsp, id: toJson(id), data: toJson(data) } };
  });
  try {
    decoder.add(text);
    for (const attachment of attachments) decoder.add(Buffer.from(attachment, "base64"));
  } catch (error) {
    answer = { refused: error.message };
  }
  decoder.destroy();
  return answer;
}

function encode({ type, nsp, id, data }) {
  const [text, ...attachments] = new Encoder().encode({ type, nsp, id, data: fromJson(data) });
  return { text, attachments: attachments.map((attachment) => attachment.toString("base64")) };
}

let input = "";
process.stdin.setEncoding("utf8");
process.stdin.on("data", (piece) => (input += piece));
process.stdin.on("end", () => {
  const request = JSON.parse(input);
  const answer = {
    version,
    decode: (request.decode || []).map(decode),
    encode: (request.encode || []).map(encode),
    base64: (request.base64 || []).map((text) => Buffer.from(text, "base64").toString("hex")),
  };
  process.stdout.write(JSON.stringify(answer));
});
