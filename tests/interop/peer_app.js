// The application of peer_app.py on the official server: `node peer_app.js PORT OPTIONS_JSON`.
"use strict";

const fs = require("fs");
const { Server } = require("socket.io");

const [port, optionsJson] = process.argv.slice(2);
const options = JSON.parse(optionsJson);
const serverOptions = {};
if (options.ping_interval) serverOptions.pingInterval = options.ping_interval * 1000;
if (options.ping_timeout) serverOptions.pingTimeout = options.ping_timeout * 1000;
if (options.max_http_buffer_size) serverOptions.maxHttpBufferSize = options.max_http_buffer_size;

const notFound = (request, response) => response.writeHead(404).end();
const http = options.cert
  ? require("https").createServer({ cert: fs.readFileSync(options.cert), key: fs.readFileSync(options.key) }, notFound)
  : require("http").createServer(notFound);
const io = new Server(http, serverOptions);

function serveNamespace(name) {
  const namespace = io.of(name);
  namespace.on("connection", (socket) => {
    const { auth, headers, url } = socket.handshake;
    const query = url.slice(url.indexOf("?") + 1);
    const empty = Object.keys(auth).length === 0;
    const who = { auth: empty ? null : auth, header: headers["x-test"] ?? null, query };
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("who", (ack) => ack(who));
    socket.on("transport", (ack) => ack(socket.conn.transport.name));
    socket.on("say", (...args) => socket.emit("said", ...args));
    socket.on("ask", (...args) => socket.emit("question", ...args, (...answer) =>
      socket.emit("answered", answer.length > 1 ? answer : answer[0])));
    socket.on("join", (room, ack) => { socket.join(room); ack(true); });
    socket.on("shout", (room, text) => namespace.to(room).emit("shouted", text));
    socket.on("burst", (count) => { for (let i = 0; i < count; i++) socket.emit("count", i); });
    socket.on("kick", () => socket.disconnect());
    socket.on("disconnect", () => namespace.emit("left", socket.id));
  });
}

for (const name of ["/", "/chat", "/other"]) serveNamespace(name);
io.of("/refusing").use((socket, next) => {
  const auth = socket.handshake.auth;
  const error = new Error("not you");
  error.data = { why: Object.keys(auth).length ? auth : null };
  next(error);
});
http.listen(Number(port), "127.0.0.1", () =>
  console.log(`LISTENS ${options.cert ? "https" : "http"}://127.0.0.1:${http.address().port}`));
process.on("SIGTERM", () => io.close(() => process.exit(0)));
