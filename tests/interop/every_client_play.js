// What every generation of the official client does to the application of test_every_client.py.
//
// Plain functions, for Node and for pages: `io` is the client that is tried, `say` tells the test something.
"use strict";

const DEADLINE_MS = 15_000;

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${DEADLINE_MS} ms: ${what}`)), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const next = (emitter, event) => within(
  new Promise((resolve) => emitter.once(event, (...args) => resolve(args))), `event "${event}"`,
);

// An event's answer, with every generation's way to ask for one.
const ask = (socket, event, ...args) => within(
  new Promise((resolve) => socket.emit(event, ...args, (...answer) => resolve(answer))), `ack of "${event}"`,
);

// Bytes as {$bytes: "hex"}, whatever the client gives for them.
function shown(value) {
  if (value instanceof ArrayBuffer) value = new Uint8Array(value);
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    return { $bytes: [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
  }
  if (Array.isArray(value)) return value.map(shown);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
  }
  return value;
}

const TEXT = "é😀 \" \\ \\n \n \u2028";

async function connected(socket) {
  if (!socket.connected) await next(socket, "connect");
}

// Text and bytes in both directions, asked for by both sides.
async function exchange(socket) {
  const bytes = new Uint8Array([0, 4, 127, 128, 255]).buffer;
  const seen = {};
  seen.text = await ask(socket, "echo", TEXT, { deep: [1, null, true] }, "");
  seen.binary = shown(await ask(socket, "echo", bytes, { deep: [bytes.slice(1, 2)] }, "text too"));
  seen.nothing = await ask(socket, "echo");
  const bounced = next(socket, "bounced");
  socket.emit("bounce", bytes, TEXT);
  seen.bounced = shown(await bounced);
  socket.once("question", (data, answer) => answer(shown(data), bytes.slice(0, 1)));
  seen.answered = shown(await ask(socket, "ask me"));
  const message = next(socket, "message");
  socket.send("a message", 1);
  seen.message = await message;
  seen.many = (await Promise.all(Array.from({ length: 30 }, (_, i) => ask(socket, "echo", i)))).flat().join();
  return seen;
}

// A namespace, which is left again, and one where nobody is let in.
async function namespaces(manager, root) {
  const chat = manager.socket("/chat");
  await connected(chat);
  const seen = { where: await ask(chat, "where"), root: await ask(root, "where") };
  const gone = next(chat, "disconnect");
  chat.disconnect();
  [seen.left] = await gone;
  const guarded = manager.socket("/guarded");
  const refused = Promise.race([next(guarded, "connect_error"), next(guarded, "error")]);
  const [error] = await refused;
  seen.refused = error.message ?? error;
  seen.still = await ask(root, "where");
  return seen;
}

// eslint-disable-next-line no-unused-vars
async function playEveryClient(io, url, options, isUpgraded, say, reopened) {
  const manager = new io.Manager(url, {
    reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100, timeout: DEADLINE_MS, ...options,
  });
  try {
    const socket = manager.socket("/");
    await connected(socket);
    const { engine } = manager;
    if (isUpgraded && engine.transport.name !== "websocket") await next(engine, "upgrade");
    const result = { transport: engine.transport.name, exchange: await exchange(socket) };
    result.jsonp = await ask(socket, "is jsonp");
    result.namespaces = await namespaces(manager, socket);
    const gone = next(socket, "disconnect");
    const again = next(socket, "connect");
    say("restart");
    [result.gone] = await gone;
    await reopened();
    await again;
    result.again = shown(await ask(socket, "echo", new Uint8Array([1]).buffer, "again"));
    return result;
  } finally {
    manager.reconnection(false);
    if (manager.engine) manager.engine.close();
  }
}

if (typeof module !== "undefined") module.exports = { playEveryClient };
