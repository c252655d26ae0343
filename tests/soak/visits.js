// Official clients that come and go: `node visits.js URL WIDTH`, in CommonJS from tests/node_modules.
// As clients.py: once a second it says how many visits there were, it ends when its input does or an answer is wrong.
"use strict";

const { io } = require("socket.io-client");

const [url, width] = [process.argv[2], Number(process.argv[3])];
const WAYS_IN = [["websocket"], ["polling"], ["polling", "websocket"]];
const ANSWER_MS = 30000;
const counts = {};
let stopping = false;

const pick = (values) => values[Math.floor(Math.random() * values.length)];
const count = (name) => { counts[name] = (counts[name] || 0) + 1; };

function check(condition, what) {
  if (!condition) throw new Error(what);
}

function connected(socket) {
  return new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
    socket.once("disconnect", (reason) => reject(new Error(`disconnected: ${reason}`)));
  });
}

async function talk(socket) {
  const text = "x".repeat(pick([1, 30, 20000]));
  check(await socket.timeout(ANSWER_MS).emitWithAck("echo", text) === text, "another text came back");
  const bytes = Buffer.alloc(pick([0, 100, 10000]), 7);
  const back = await socket.timeout(ANSWER_MS).emitWithAck("echo", bytes);
  check(Buffer.compare(Buffer.from(back), bytes) === 0, "other bytes came back");
  socket.on("question", (_, answer) => answer("because"));
  check(await socket.timeout(ANSWER_MS).emitWithAck("ask", "why") === "because", "another answer");
  await socket.timeout(ANSWER_MS).emitWithAck("join", "of-node");
}

async function visit() {
  const transports = pick(WAYS_IN);
  const socket = io(url, { transports, forceNew: true, reconnection: false, multiplex: false });
  try {
    await connected(socket);
    await talk(socket);
    if (Math.random() < 0.3) {
      await connected(socket.io.socket("/chat"));
    }
    if (Math.random() < 0.3) socket.io.engine.transport.close(); // without a goodbye
  } finally {
    socket.disconnect();
    socket.io._close();
  }
  count(`official ${transports.join(" ")}`);
  count("visits");
}

async function comeAndGo() {
  while (!stopping) await visit();
}

function say() {
  process.stdout.write(JSON.stringify(counts) + "\n");
}

const saying = setInterval(say, 1000);
process.stdin.resume();
process.stdin.on("end", () => { stopping = true; });
Promise.all(Array.from({ length: width }, comeAndGo)).then(
  () => {
    clearInterval(saying);
    say();
    process.exit(0);
  },
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
