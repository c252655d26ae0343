// What both of the JavaScript programs need.
"use strict";

const fs = require("node:fs");
const path = require("node:path");

const BARRIER = "sync~";

// Every scenario of the files in a folder, by its name.
function load(folder) {
  const found = {};
  const there = path.join(__dirname, folder);
  for (const file of fs.readdirSync(there).filter((name) => name.endsWith(".js")).sort()) {
    for (const [name, scenario] of Object.entries(require(path.join(there, file)))) {
      if (found[name]) throw new Error(`two scenarios are called ${name}`);
      found[name] = scenario;
    }
  }
  return found;
}

// Ids, which differ, after names.
function byName(a, b) {
  const [x, y] = [a, b].map((value) => [String(value).length === 20 ? 1 : 0, String(value)]);
  return x[0] - y[0] || (x[1] < y[1] ? -1 : 1);
}

// `value` as a transcript has it, the same for both languages (scenario.py, describe).
function describe(value) {
  if (value === undefined || value === null) return null;
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  if (ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex") };
  }
  if (value instanceof Error) return { $error: value.message };
  if (value instanceof Set) return [...value].sort(byName).map(describe);
  if (Array.isArray(value)) return value.map(describe);
  if (typeof value === "object" && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, describe(item)]));
  }
  if (typeof value === "object") return { $object: value.constructor?.name ?? null };
  if (typeof value === "function") return { $function: value.length };
  return value;
}

module.exports = { BARRIER, load, describe };
