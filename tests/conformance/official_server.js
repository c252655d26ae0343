// The application of targets.py on the official server: checks the rows themselves, see targets.py.
"use strict";

const { createServer } = require("http");
const { Server } = require("socket.io");

const http = createServer();
const io = new Server(http, { maxHttpBufferSize: Number(process.argv[2]), allowEIO3: process.argv[3] === "allowEIO3" });

const note = (kind, sid, value) => console.log(JSON.stringify([kind, sid, value]));
const plain = (value) =>
  Buffer.isBuffer(value) ? `bytes ${value.toString("hex").replace(/(..)(?=.)/g, "$1 ")}` : value;

function serve(socket) {
  socket.on("echo", (...args) => args.pop()(...args));
  socket.on("say", (...args) => note("heard", socket.id, args.filter((a) => typeof a !== "function").map(plain)));
  socket.on("shout", (...args) => io.emit("shouted", ...args));
  socket.on("disconnect", (reason) => note("reasons", socket.id, reason));
  socket.on("error", () => {});
}

io.on("connection", serve);
io.of("/other").on("connection", serve);
io.of("/slow").use((socket, next) => setImmediate(next));
io.of("/slow").on("connection", serve);
io.of("/guarded").use((socket, next) => next(new Error("nobody is let in")));
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
