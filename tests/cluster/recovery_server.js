// A server of Node whose clients may come back to others: node recovery_server.js REDIS_URL. Lines of JSON in and out,
// as node_server.js: {id, call: "here" | "emit", args}.
"use strict";
const readline = require("node:readline");
const { Server } = require("socket.io");
const { createClient } = require("redis");
const { createAdapter } = require("@socket.io/redis-streams-adapter");

async function main() {
  const client = createClient({ url: process.argv[2] });
  client.on("error", () => {});
  await client.connect();
  const http = require("node:http").createServer();
  const io = new Server(http, {
    adapter: createAdapter(client), connectionStateRecovery: {}, pingInterval: 2000, pingTimeout: 2000,
  });
  io.on("connection", (socket) => {
    if (socket.recovered) return;
    socket.join("room");
    socket.data.name = socket.handshake.auth.name;
  });
  const calls = {
    here: () => [...io.of("/").sockets.values()].map(({ id, data, rooms, recovered }) =>
      ({ id, data, rooms: [...rooms].sort(), recovered })),
    emit: (rooms, event, ...args) => {
      (rooms.length ? io.to(rooms) : io).emit(event, ...args);
      return [];
    },
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", (line) => {
    const { id, call, args } = JSON.parse(line);
    process.stdout.write(`${JSON.stringify({ id, value: calls[call](...args) })}\n`);
  });
  lines.on("close", () => process.exit(0));
  http.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ port: http.address().port })}\n`));
}

main();
