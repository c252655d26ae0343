/* `node node_ws_app.mjs PORT [--tls CERT KEY]`: the application on socket.io as it comes, on Node's http and `ws`. */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { Server } from "socket.io";

import { SETTINGS, install, listening } from "./handlers.mjs";

const { host, port, tls } = listening();
const http = tls
  ? createTlsServer({ cert: readFileSync(tls.cert), key: readFileSync(tls.key) })
  : createServer();
const io = new Server(http, SETTINGS);
install(io);
http.listen(port, host);
