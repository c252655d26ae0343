// Node's server with the `cors` option that is given as JSON; texts that begin with "re:" are regular expressions.
"use strict";

const { createServer } = require("http");
const { Server } = require("socket.io");

const named = (origin) =>
  Array.isArray(origin) ? origin.map(named)
    : typeof origin === "string" && origin.startsWith("re:") ? new RegExp(origin.slice(3)) : origin;

const cors = JSON.parse(process.argv[2]);
if ("origin" in cors) cors.origin = named(cors.origin);
const http = createServer();
new Server(http, { cors });
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
