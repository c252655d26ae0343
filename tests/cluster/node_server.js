// A server of Node in a cluster, told what to do by lines of JSON: node node_server.js KIND REDIS_URL
// In: {id, call, chain: [[method, ...args], ...]}; out: {id, value | error}. The last method's result is the answer.
"use strict";
const readline = require("node:readline");
const { Server } = require("socket.io");
const { createClient } = require("redis");
const redisAdapter = require("@socket.io/redis-adapter");

const [kind, url] = process.argv.slice(2);

const revive = (value) => {
  if (Array.isArray(value)) return value.map(revive);
  if (value && typeof value === "object") {
    if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "hex");
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, revive(one)]));
  }
  return value;
};

async function makeAdapter() {
  const client = createClient({ url });
  await client.connect();
  if (kind === "streams") {
    return require("@socket.io/redis-streams-adapter").createAdapter(client);
  }
  const sub = client.duplicate();
  await sub.connect();
  return kind === "sharded" ? redisAdapter.createShardedAdapter(client, sub) : redisAdapter.createAdapter(client, sub);
}

async function main() {
  const io = new Server({ adapter: await makeAdapter() });
  const heard = [];
  io.on("connection", (socket) => {
    socket.data = { from: "node" };
    socket.on("join", (...rooms) => socket.join(rooms));
  });
  io.on("from server", (...args) => {
    const last = args[args.length - 1];
    const ack = typeof last === "function" ? args.pop() : undefined;
    heard.push(args);
    if (ack) ack(["node", ...args]);
  });
  const special = {
    heard: () => heard.splice(0),
    empty: async () => {
      while (io.of("/").sockets.size) await new Promise((resolve) => setTimeout(resolve, 5));
      return [];
    },
    fetch: async (rooms) => {
      const found = await (rooms ? io.in(rooms) : io).fetchSockets();
      return found.map(({ id, data, rooms, handshake }) => ({ id, data, rooms: [...rooms].sort(), auth: handshake.auth }));
    },
    count: () => io.of("/").adapter.serverCount(),
    close: () => io.close(),
  };
  const lines = readline.createInterface({ input: process.stdin });
  lines.on("line", async (line) => {
    const { id, call, args, chain } = JSON.parse(line);
    let answer;
    try {
      let value = io;
      if (call) value = await special[call](...(args ?? []));
      else for (const [method, ...given] of chain) {
        value = typeof value[method] === "function" ? value[method](...revive(given)) : value[method];
      }
      value = await value;
      answer = { id, value: call || Array.isArray(value) ? value : null };
    } catch (error) {
      answer = { id, error: String(error), responses: error.responses };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
  lines.on("close", () => process.exit(0));
  io.httpServer?.close();
  const http = require("node:http").createServer();
  io.attach(http);
  http.listen(0, "127.0.0.1", () => process.stdout.write(`${JSON.stringify({ port: http.address().port })}\n`));
}

main();
