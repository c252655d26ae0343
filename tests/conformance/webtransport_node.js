// Node's engine.io behind WebTransport sessions that are none, for test_webtransport_node.py.
//
// One JSON object on stdin: {maxBytes, clients: {name: [hex, ...]}, packets: [[isBinary, hex], ...]}; one on stdout:
// what became of each client that sent these bytes, {closed, reason, messages, sent}, and `frames`, the packets as the
// official encoder frames them, in hex.
"use strict";

const { setTimeout: pause } = require("node:timers/promises");
const { Server } = require("engine.io");
const { createPacketEncoderStream } = require("engine.io-parser");

const SETTLE_MS = 30;
const hex = (bytes) => Buffer.from(bytes).toString("hex");

class Session {
  constructor() {
    this.isClosed = false;
    this.sent = [];
    this.closed = new Promise((resolve) => { this.resolve = resolve; });
    const stream = {
      readable: new ReadableStream({ start: (client) => { this.client = client; } }),
      writable: new WritableStream({ write: (chunk) => { this.sent.push(hex(chunk)); } }),
    };
    this.incomingBidirectionalStreams = new ReadableStream({ start: (client) => client.enqueue(stream) });
  }

  close() {
    this.isClosed = true;
    this.resolve();
  }
}

async function play(pieces, maxHttpBufferSize) {
  const server = new Server({ transports: ["polling", "websocket", "webtransport"], maxHttpBufferSize });
  const said = { reason: null, messages: [] };
  server.on("connection", (socket) => {
    socket.on("message", (message) => said.messages.push(typeof message === "string" ? message : hex(message)));
    socket.on("close", (reason) => { said.reason = reason; });
  });
  const session = new Session();
  server.onWebTransportSession(session).catch(() => {});
  for (const piece of pieces) {
    session.client.enqueue(Buffer.from(piece, "hex"));
    await pause(0);
  }
  await pause(SETTLE_MS);
  const outcome = { ...said, closed: session.isClosed, sent: session.sent.join("") };
  server.close();
  return outcome;
}

async function frame([isBinary, data]) {
  const { readable, writable } = createPacketEncoderStream();
  const writer = writable.getWriter();
  const bytes = Buffer.from(data, "hex");
  writer.write({ type: "message", data: isBinary ? bytes : bytes.toString().slice(1) }).then(() => writer.close());
  const chunks = [];
  for await (const chunk of readable) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString("hex");
}

(async () => {
  let input = "";
  for await (const chunk of process.stdin) input += chunk;
  const { maxBytes, clients, packets } = JSON.parse(input);
  const names = Object.keys(clients);
  const outcomes = await Promise.all(names.map((name) => play(clients[name], maxBytes)));
  const frames = await Promise.all(packets.map(frame));
  const said = { clients: Object.fromEntries(names.map((name, i) => [name, outcomes[i]])), frames };
  process.stdout.write(JSON.stringify(said), () => process.exit(0));
})();
