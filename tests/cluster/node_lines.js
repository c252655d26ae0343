// Lines of JSON in and out, as servers.py writes and reads them.
"use strict";
const readline = require("node:readline");

const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value && typeof value === "object") {
    if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "hex");
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one)]));
  }
  return value;
};

const freeze = (value) => {
  if (Array.isArray(value)) return value.map(freeze);
  if (Buffer.isBuffer(value) || value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, freeze(one)]));
  }
  return value;
};

// What the last step returns, each being a method of what the one before it has returned.
function follow(value, steps) {
  for (const [method, ...given] of steps) {
    value = typeof value[method] === "function" ? value[method](...revive(given)) : value[method];
  }
  return value;
}

// Say `first`, then answer requests: chains of calls that begin with `target`, and calls of the functions in `special`.
function answerLines(first, target, special = {}) {
  const write = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, call, args, chain } = JSON.parse(line);
    try {
      const value = await (call ? special[call](...(args ?? [])) : follow(target, chain));
      write({ id, value: call || Array.isArray(value) ? freeze(value ?? null) : null });
    } catch (error) {
      write({ id, error: String(error), responses: error.responses });
    }
  });
  lines.on("close", () => process.exit(0));
  write(first);
}

module.exports = { answerLines, follow };
