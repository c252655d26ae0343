/* `bun bun_app.mjs PORT [--tls CERT KEY]`: the benchmark's application on socket.io and its engine for Bun. */

import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";

import { SETTINGS, install, listening } from "./handlers.mjs";

const { host, port, tls } = listening();
const engine = new Engine({ path: "/socket.io/", ...SETTINGS });
const io = new Server();
io.bind(engine);
install(io);
Bun.serve({
  ...engine.handler(),
  hostname: host,
  port,
  tls: tls && { cert: Bun.file(tls.cert), key: Bun.file(tls.key) },
});
