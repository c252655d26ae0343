// Official clients that stay connected, and ones that come and go, while their server is replaced again and again.
//
//   node handover_clients.js URL STEADY     until a line comes on stdin; then one JSON line of what they have seen.
//
// Steady clients (a third each over WebSocket, polling, and from polling to WebSocket) reconnect by themselves and send
// events all the time. Fresh ones connect over WebSocket, ask once and leave: whose connect fails has been refused.
"use strict";

const net = require("node:net");
const { io } = require("socket.io-client");

const [url, steady] = [process.argv[2], Number(process.argv[3])];
const seen = {
  acks: 0, connects: 0, disconnects: {}, errors: {}, upgrades: 0,
  fresh: { tries: 0, connected: 0, answered: 0, failed: {} },
  tcp: { tries: 0, refused: {} },
};
const count = (table, word) => { table[word] = (table[word] || 0) + 1; };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let isOver = false;

function stay(transports) {
  const socket = io(url, {
    transports, forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 300, timeout: 10000,
  });
  socket.on("connect", () => {
    seen.connects++;
    socket.io.engine.once("upgrade", () => { seen.upgrades++; });
  });
  socket.on("connect_error", (error) => count(seen.errors, `${transports}: ${error.message}`));
  socket.on("disconnect", (reason) => count(seen.disconnects, reason));
  const timer = setInterval(() => {
    if (socket.connected) socket.emit("echo", "x".repeat(64), () => { seen.acks++; });
  }, 40);
  return () => { clearInterval(timer); socket.close(); };
}

// One client after the other, without a pause.
async function comeAndGo() {
  while (!isOver) {
    seen.fresh.tries++;
    const socket = io(url, { transports: ["websocket"], forceNew: true, reconnection: false, timeout: 10000 });
    await new Promise((resolve) => {
      socket.on("connect_error", (error) => { count(seen.fresh.failed, error.message); resolve(); });
      socket.on("connect", () => {
        seen.fresh.connected++;
        socket.on("disconnect", resolve);
        socket.emit("echo", 1, () => { seen.fresh.answered++; resolve(); });
      });
    });
    socket.close();
    await sleep(1);
  }
}

async function knock() {
  const { hostname, port } = new URL(url);
  while (!isOver) {
    seen.tcp.tries++;
    await new Promise((resolve) => {
      const socket = net.connect(Number(port), hostname);
      socket.on("error", (error) => { count(seen.tcp.refused, error.code); resolve(); });
      socket.on("connect", () => {
        socket.write("GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      });
      let answer = "";
      socket.on("data", (data) => { answer += data; });
      socket.on("close", () => {
        if (!answer.startsWith("HTTP/1.1 404")) count(seen.tcp.refused, `answer ${JSON.stringify(answer.slice(0, 20))}`);
        resolve();
      });
    });
    await sleep(1);
  }
}

const kinds = [["websocket"], ["polling"], ["polling", "websocket"]];
const stops = Array.from({ length: steady }, (_, i) => stay(kinds[i % kinds.length]));
const loops = [comeAndGo(), comeAndGo(), knock()];
const ready = setInterval(() => {
  if (seen.connects < steady) return;
  clearInterval(ready);
  console.log("ready");
}, 10);

process.stdin.once("data", async () => {
  isOver = true;
  await Promise.all(loops);
  const sum = { ...seen };
  for (const stop of stops) stop();
  console.log(JSON.stringify(sum));
  process.stdin.destroy();
});
