// An official client of Socket.IO 2.5: node eio3_client.js URL NAMESPACE. Lines of JSON in and out, as node_server.js.
"use strict";
const path = require("node:path");
const io = require(path.join(__dirname, "..", "clients", "node_modules", "client-2.5.0"));
const { answerLines } = require("./node_lines.js");

const [url, name] = process.argv.slice(2);
const got = [];
const socket = io(url + name, { forceNew: true, transports: ["websocket"] });
for (const event of ["you", "mark"]) socket.on(event, (...args) => got.push([event, ...args]));
const calls = {
  id: () => socket.id,
  got: () => got.splice(0),
  close: () => { socket.close(); return null; },
};
socket.on("connect_error", (error) => { console.error(error); process.exit(1); });
socket.on("connect", () => answerLines({ port: 0 }, {}, calls));
