// A client of Socket.IO 2 at an application that has "echo" and "where"; prints one line of JSON.
//
//   node old_client.js <folder of the client> <url> <transports, by commas> <namespace>
"use strict";

const [client, url, transports, namespace] = process.argv.slice(2);
const io = require(client);

const socket = io(url + namespace, { transports: transports.split(","), reconnection: false });
const seen = { errors: [] };

const ask = (event, ...args) => new Promise((resolve) => {
  socket.emit(event, ...args, (...answer) => resolve(answer));
});

async function play() {
  const engine = socket.io.engine;
  if (transports.includes(",") && engine.transport.name !== "websocket") {
    await new Promise((resolve) => engine.once("upgrade", resolve));
  }
  seen.transport = engine.transport.name;
  const [text, bytes] = await ask("echo", "é😀\n\\n", Buffer.from([0, 4, 255]));
  seen.text = text;
  seen.bytes = bytes.toString("hex");
  const answers = Array.from({ length: 50 }, (_, i) => ask("echo", i));
  seen.order = (await Promise.all(answers)).flat().join();
  [seen.where] = await ask("where");
  seen.id = socket.id;
  await new Promise((resolve) => {
    socket.on("disconnect", resolve);
    socket.disconnect();
  });
}

function finish() {
  console.log(JSON.stringify(seen));
  process.exit(0);
}

socket.on("connect", () => play().then(finish));
for (const event of ["error", "connect_error", "connect_timeout"]) {
  socket.on(event, (error) => seen.errors.push(String(error)));
}
setTimeout(finish, 15_000);
