// Official clients, half of them on WebSocket and half on polling: node recovery_clients.js URL COUNT. Lines of JSON in
// and out, as node_server.js: {id, call: "report"} tells of each client how it connected and what it got, in order.
"use strict";
const readline = require("node:readline");
const { io } = require("socket.io-client");

const [url, count] = process.argv.slice(2);
const clients = Array.from({ length: Number(count) }, (_, i) => {
  const seen = { name: `client ${i}`, connects: [], got: [] };
  const socket = io(url, {
    forceNew: true, transports: [i % 2 ? "polling" : "websocket"], auth: { name: seen.name },
    reconnectionDelay: 100, reconnectionDelayMax: 300,
  });
  socket.on("connect", () => seen.connects.push({ id: socket.id, recovered: socket.recovered }));
  socket.on("n", (n) => seen.got.push(n));
  return { seen, socket };
});
const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { id } = JSON.parse(line);
  const value = clients.map(({ seen, socket }) => ({ ...seen, connected: socket.connected }));
  process.stdout.write(`${JSON.stringify({ id, value })}\n`);
});
lines.on("close", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ port: 0 })}\n`);
