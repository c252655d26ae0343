/* `node node_uws_app.mjs PORT [--tls CERT KEY]`: the benchmark's application on socket.io and uWebSockets.js. */

import { Server } from "socket.io";
import uws from "@trufflesuite/uws-js-unofficial";

import { SETTINGS, install, listening } from "./handlers.mjs";

const { host, port, tls } = listening();
const app = tls ? uws.SSLApp({ cert_file_name: tls.cert, key_file_name: tls.key }) : uws.App();
const io = new Server(SETTINGS);
/* By default it drops what is over 64 KB for one client, silently, and every answer is checked here. */
io.attachApp(app, { maxBackpressure: 16 * 1024 * 1024 });
install(io);
app.listen(host, port, (socket) => {
  if (!socket) throw new Error(`cannot listen on ${host}:${port}`);
});
