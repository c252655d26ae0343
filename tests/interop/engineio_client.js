// Plays scripts with the official engine.io-client: a line of JSON comes in for each, one with what it saw goes out.
//
//   {"url": …, "transports": ["polling"], "script": [["send", "hello"], ["receive", 1], ["close"]]}
//
// Steps: ["send", text], ["send_binary", base64], ["receive", n more messages], ["close"], ["closed"] waits for the end.
"use strict";
const readline = require("readline");
const { Socket } = require("engine.io-client");

const SCRIPT_MS = 10000;

// What a client sees, in its order, and waiting for it.
class Seen {
  constructor() {
    this.entries = [];
    this.messages = 0;
    this.isOpen = this.isUpgraded = this.isClosed = false;
    this.wake = () => {};
  }

  note(...entry) {
    this.entries.push(entry);
    this.wake();
  }

  async until(condition) {
    while (!condition()) await new Promise((resolve) => (this.wake = resolve));
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function open(url, transports) {
  const seen = new Seen();
  const socket = new Socket(url, { transports, path: "/engine.io/" });
  socket.binaryType = "nodebuffer";
  socket.on("open", () => {
    seen.isOpen = true;
    seen.note("open");
  });
  socket.on("upgrade", () => {
    seen.isUpgraded = true;
    seen.note("upgraded", socket.transport.name);
  });
  socket.on("message", (data) => {
    seen.messages += 1;
    // The client has no data for an empty text.
    if (data === undefined || typeof data === "string") seen.note("text", data || "");
    else seen.note("binary", Buffer.from(data).toString("base64"));
  });
  socket.on("error", (error) => {
    const answer = error.context && error.context.status;
    seen.note("error", error.message, answer ? [answer, parsed(error.context.responseText)] : null);
  });
  socket.on("close", (reason) => {
    seen.isClosed = true;
    seen.note("close", reason);
  });
  return [socket, seen];
}

async function play({ url, transports, script }) {
  const [socket, seen] = open(url, transports);
  const late = setTimeout(() => {
    process.stderr.write(`too late, seen so far: ${JSON.stringify(seen.entries)}\n`);
    process.exit(1);
  }, SCRIPT_MS);
  let wanted = 0;
  await seen.until(() => seen.isClosed || (seen.isOpen && (transports.length === 1 || seen.isUpgraded)));
  for (const [step, value] of seen.isClosed ? [] : script) {
    if (step === "send") socket.send(value);
    else if (step === "send_binary") socket.send(Buffer.from(value, "base64"));
    else if (step === "receive") {
      wanted += value;
      await seen.until(() => seen.isClosed || seen.messages >= wanted);
    } else {
      if (step === "close") socket.close();
      await seen.until(() => seen.isClosed);
    }
  }
  clearTimeout(late);
  return seen.entries;
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(await play(JSON.parse(line))) + "\n");
  }
})();
