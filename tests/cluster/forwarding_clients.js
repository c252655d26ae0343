// Official clients that poll: node forwarding_clients.js URL COUNT TRANSPORTS. Lines of JSON in and out: "work" lets each
// ask its server ROUNDS times and say something to all, "report" tells what they saw.
"use strict";
const readline = require("node:readline");
const { io } = require("socket.io-client");

const [url, count, transports] = process.argv.slice(2);
const clients = Array.from({ length: Number(count) }, () => {
  const seen = { connects: 0, disconnects: [], errors: [], upgradeErrors: 0, said: [], answers: 0, wrong: 0 };
  const socket = io(url, { forceNew: true, transports: transports.split(","), reconnectionDelay: 50, reconnectionDelayMax: 200 });
  socket.on("connect", () => seen.connects++);
  socket.on("connect_error", (error) => seen.errors.push(String(error)));
  socket.on("disconnect", (reason) => seen.disconnects.push(reason));
  socket.on("said", (text) => seen.said.push(text));
  socket.io.on("open", () => socket.io.engine.on("upgradeError", () => seen.upgradeErrors++));
  return { seen, socket };
});

async function work(rounds) {
  await Promise.all(clients.map(async ({ seen, socket }, i) => {
    for (let n = 0; n < rounds; n++) {
      const sent = [n, `text ${i} ü`, Buffer.from([n, 1, 2])];
      const got = await socket.timeout(20000).emitWithAck("echo", ...sent);
      seen.answers++;
      if (got[0] !== n || got[1] !== sent[1] || !Buffer.from(got[2]).equals(sent[2])) seen.wrong++;
    }
    socket.emit("say", i);
  }));
  return [];
}

const calls = {
  work,
  report: () => clients.map(({ seen, socket }) => ({
    ...seen, connected: socket.connected, transport: socket.io.engine?.transport?.name, id: socket.io.engine?.id,
  })),
  close: () => { clients.forEach(({ socket }) => socket.disconnect()); return []; },
};
const lines = readline.createInterface({ input: process.stdin });
lines.on("line", async (line) => {
  const { id, call, args } = JSON.parse(line);
  let answer;
  try {
    answer = { id, value: await calls[call](...args) };
  } catch (error) {
    answer = { id, error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
lines.on("close", () => process.exit(0));
process.stdout.write(`${JSON.stringify({ port: 0 })}\n`);
