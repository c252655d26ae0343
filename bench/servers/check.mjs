/* `node check.mjs URL TRANSPORT`: plays every event of the application with the official client, and checks what comes.
 *
 * Prints what was wrong, a line each; exit code 1 if anything was. See ../check.py.
 */

import { deepStrictEqual } from "node:assert";
import { io } from "socket.io-client";

const [url, transport] = process.argv.slice(2);
const options = { transports: [transport], forceNew: true, reconnection: false, rejectUnauthorized: false };
const LIMIT_MS = 5000;
const TEXT = "a text of some length, with ünïcode";
const LARGE = "x".repeat(1_000_000);
const BINARY = Buffer.from(Array.from({ length: 1024 }, (_, i) => i & 255));
let failed = false;

async function connect(namespace = "/") {
  const socket = io(url + namespace, options);
  await new Promise((resolve, reject) => {
    socket.on("connect", resolve);
    socket.on("connect_error", reject);
    setTimeout(reject, LIMIT_MS, new Error(`${namespace} was not joined`)).unref();
  });
  socket.seen = [];
  socket.onAny((event, ...data) => socket.seen.push([event, ...data]));
  return socket;
}

const ask = (socket, ...event) => socket.timeout(LIMIT_MS).emitWithAck(...event);

/* All that is expected comes to each client, in order, and then no more before the answer to an echo. */
async function expect(clients, expected) {
  const until = Date.now() + LIMIT_MS;
  const isOwed = (client, i) => client.seen.length < expected[i].length;
  while (clients.some(isOwed) && Date.now() < until) await ask(clients[0], "echo", 0);
  await Promise.all(clients.map((client) => ask(client, "echo", 0)));
  deepStrictEqual(clients.map((client) => client.seen.splice(0)), expected);
}

const news = ["news", TEXT];
const plays = {
  async echo(a) {
    for (const event of ["echo", "echo_async"])
      for (const data of [TEXT, LARGE, BINARY]) deepStrictEqual(await ask(a, event, data), data);
  },
  async say(a, b) {
    a.emit("say", TEXT);
    a.emit("say_async", TEXT);
    await expect([a, b], [[["said", TEXT], ["said", TEXT]], []]);
  },
  async broadcast(a, b) {
    a.emit("broadcast", TEXT);
    await expect([a, b], [[news], [news]]);
  },
  async rooms(a, b) {
    await ask(a, "join", "lobby");
    a.emit("to_room", "lobby", TEXT);
    b.emit("to_room", "lobby", TEXT);
    b.emit("to_room", "nobody's", TEXT);
    await expect([a, b], [[news, news], []]);
    await ask(b, "chat", "lobby", TEXT);
    await expect([a, b], [[news], []]);
    await ask(b, "join", "lobby");
    await ask(b, "chat", "lobby", TEXT);
    await expect([a, b], [[news], [news]]);
  },
  async burst(a, b) {
    a.emit("burst", 100, TEXT);
    await expect([a, b], [Array(100).fill(news), []]);
  },
  async namespaces() {
    for (const namespace of ["/a", "/b", "/c", "/d"]) {
      const socket = await connect(namespace);
      for (const event of ["echo", "echo_async"]) deepStrictEqual(await ask(socket, event, TEXT), TEXT);
      socket.disconnect();
    }
  },
};

const clients = [await connect(), await connect()];
for (const [name, play] of Object.entries(plays)) {
  try {
    await play(...clients);
  } catch (error) {
    failed = true;
    console.log(`${name}: ${error.message.slice(0, 600)}`);
  }
  for (const client of clients) client.seen.splice(0);
}
process.exit(failed ? 1 : 0);
