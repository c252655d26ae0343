// The application of recovery_app.py on the official server: `node recovery_app.js PORT OPTIONS_JSON`.
"use strict";

const http = require("http");
const { Server } = require("socket.io");

const [port, optionsJson] = process.argv.slice(2);
const options = JSON.parse(optionsJson);
const server = http.createServer((request, response) => response.writeHead(404).end());
const io = new Server(server, {
  connectionStateRecovery: { maxDisconnectionDuration: (options.max_disconnection_duration ?? 120) * 1000 },
  ...(options.serializer && { parser: require("socket.io-msgpack-parser") }),
});

const log = [];
let waiting = [];
const sockets = new Map();
const shown = (socket) => [...socket.rooms].map((room) => (room === socket.id ? "OWN" : room)).sort();

function serve(name) {
  io.of(name).on("connection", (socket) => {
    sockets.set(socket.id, socket);
    log.push([name, "connection", socket.recovered, shown(socket), { ...socket.data }]);
    socket.on("echo", (...args) => { if (typeof args.at(-1) === "function") args.at(-1)(); });
    socket.on("disconnect", (reason) => {
      log.push([name, "disconnect", reason]);
      waiting.forEach((resolve) => resolve());
      waiting = [];
    });
  });
}
serve("/");
serve("/chat");

io.of("/control").on("connection", (socket) => {
  socket.on("emit", (where, event, args, ack) => {
    let whom = io.of(where.nsp || "/");
    if (where.to) whom = whom.to(where.to);
    if (where.except) whom = whom.except(where.except);
    if (where.volatile) whom = whom.volatile;
    whom.emit(event, ...args);
    ack();
  });
  socket.on("emit by its socket", (event, ack) => { [...sockets.values()][0].emit(event); ack(); });
  socket.on("join", (id, room, ack) => { sockets.get(id).join(room); ack(); });
  socket.on("set", (id, key, value, ack) => { sockets.get(id).data[key] = value; ack(); });
  socket.on("close", (id, ack) => { ack(); setImmediate(() => sockets.get(id).conn.close()); });
  socket.on("kick", (id, ack) => { ack(); sockets.get(id).disconnect(); });
  socket.on("gone", (ack) => {
    if ([...io.of("/").sockets.keys()].length === 0) ack();
    else waiting.push(ack);
  });
  socket.on("count", (count, ack) => {
    ack();
    let number = 0;
    const timer = setInterval(() => {
      io.emit("count", number);
      number += 1;
      if (number === count) clearInterval(timer);
    }, 2);
  });
  socket.on("log", (ack) => ack(log));
});
server.listen(Number(port), "127.0.0.1", () => console.log(`LISTENS http://127.0.0.1:${server.address().port}`));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
