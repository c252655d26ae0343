// The official client, driven line by line: one JSON command per line of stdin, one answer each.
//
//   in   {"id":1,"op":"open","client":"a","url":...,"namespace":...,"options":{...}}
//   out  {"id":1,"ok":true,"result":...}      the answer to command 1
//        {"client":"a","entry":["event","hello",[1]]}     what the client saw, in its order
//
// Bytes travel as {"$bytes":"hex"} both ways.
"use strict";

const readline = require("node:readline");
const { Manager } = require("socket.io-client");

const sockets = new Map();

function fromWire(value) {
  if (Array.isArray(value)) return value.map(fromWire);
  if (value && typeof value === "object") {
    if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "hex");
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromWire(item)]));
  }
  return value;
}

function toWire(value) {
  if (value instanceof ArrayBuffer) value = Buffer.from(value);
  if (ArrayBuffer.isView(value)) return { $bytes: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(toWire);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toWire(item)]));
  }
  return value;
}

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

// Everything that a socket sees is said at once; `answers` are what it gives to an event's ack.
function watch(name, socket) {
  const see = (...entry) => say({ client: name, entry });
  const answers = new Map();
  socket.on("connect", () => see("connect", socket.id));
  socket.on("connect_error", (error) => see("connect_error", error.message ?? null, toWire(error.data) ?? null));
  socket.on("disconnect", (reason) => see("disconnect", reason));
  socket.onAny((event, ...args) => {
    const ack = typeof args.at(-1) === "function" ? args.pop() : null;
    see("event", event, toWire(args));
    if (ack && answers.has(event)) ack(...answers.get(event));
  });
  sockets.set(name, { socket, answers, see });
}

const operations = {
  open({ client, url, namespace, options, auth, beside }) {
    const manager = beside ? sockets.get(beside).socket.io
      : new Manager(url, { reconnection: false, timeout: 10000, ...options });
    watch(client, manager.socket(namespace, { auth }));
  },
  emit({ client, event, args }) {
    sockets.get(client).socket.emit(event, ...fromWire(args));
  },
  // Emits several events in one go, which over polling become one request.
  burst({ client, event, count }) {
    for (let i = 0; i < count; i++) sockets.get(client).socket.emit(event, i);
  },
  ask({ client, event, args }) {
    const { socket, see } = sockets.get(client);
    socket.emit(event, ...fromWire(args), (...ack) => see("ack", event, toWire(ack)));
  },
  answer({ client, event, args }) {
    sockets.get(client).answers.set(event, fromWire(args));
  },
  disconnect({ client }) {
    sockets.get(client).socket.disconnect();
  },
  // Ends the connection without a goodbye.
  drop({ client }) {
    sockets.get(client).socket.io.engine.transport.ws.terminate();
  },
  // Closes Engine.IO's connection, without a word of Socket.IO.
  closeEngine({ client }) {
    sockets.get(client).socket.io.engine.close();
  },
  transport({ client }) {
    return sockets.get(client).socket.io.engine.transport.name;
  },
  upgraded({ client }) {
    const { engine } = sockets.get(client).socket.io;
    if (engine.transport.name === "websocket") return null;
    return new Promise((resolve) => engine.once("upgrade", () => resolve(null)));
  },
  engineId({ client }) {
    return sockets.get(client).socket.io.engine.id;
  },
  forget({ client }) {
    if (!sockets.has(client)) return; // it could not even be opened
    const { socket } = sockets.get(client);
    socket.disconnect();
    socket.io._close();
    sockets.delete(client);
  },
};

async function perform(command) {
  try {
    const result = await operations[command.op](command);
    say({ id: command.id, ok: true, result: result ?? null });
  } catch (error) {
    say({ id: command.id, ok: false, error: String(error.stack ?? error) });
  }
}

readline.createInterface({ input: process.stdin })
  .on("line", (line) => perform(JSON.parse(line)))
  .on("close", () => process.exit(0));
