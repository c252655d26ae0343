// A server of Node in a cluster, told what to do by lines of JSON: node node_server.js KIND REDIS_URL
// In: {id, call, chain: [[method, ...args], ...]}; out: {id, value | error}. The last method's result is the answer.
"use strict";
const { Server } = require("socket.io");
const { createClient, createCluster } = require("redis");
const { answerLines, follow } = require("./node_lines.js");

const [kind, url] = process.argv.slice(2);
const OPTIONS = {
  "classic apart": { publishOnSpecificResponseChannel: true, key: "apart" },
  "classic 7": { key: "seven" },
  "sharded private": { subscriptionMode: "dynamic-private", channelPrefix: "private" },
  "sharded static": { subscriptionMode: "static", channelPrefix: "static" },
};

async function connected() {
  // redis+cluster://host:port,host:port are nodes of a Redis cluster.
  const [scheme, nodes] = url.split("://");
  const rootNodes = nodes.split(",").map((node) => ({ url: `redis://${node}` }));
  const client = scheme === "redis+cluster" ? createCluster({ rootNodes }) : createClient({ url });
  client.on("error", () => {}); // it connects again by itself
  await client.connect();
  return client;
}

async function makeAdapter() {
  const client = await connected();
  if (kind === "streams") {
    return require("@socket.io/redis-streams-adapter").createAdapter(client);
  }
  const { createAdapter, createShardedAdapter } = require(
    kind === "classic 7" ? "redis-adapter-7" : "@socket.io/redis-adapter"
  );
  const make = kind.startsWith("sharded") ? createShardedAdapter : createAdapter;
  return make(client, await connected(), OPTIONS[kind]);
}

async function main() {
  const io = new Server({ adapter: await makeAdapter(), allowEIO3: true });
  const heard = [];
  const connection = (socket) => {
    socket.data = { from: "node" };
    socket.on("join", (...rooms) => socket.join(rooms));
  };
  for (const name of ["/", "/chat"]) {
    io.of(name).on("connection", connection);
    io.of(name).on("from server", (...args) => {
      const last = args[args.length - 1];
      const ack = typeof last === "function" ? args.pop() : undefined;
      heard.push(args);
      if (ack) ack(["node", ...args]);
    });
  }
  io.of(/^\/room-\d+$/).on("connection", connection);

  const fetch = async (rooms, name = "/") => {
    const namespace = io.of(name);
    return (rooms ? namespace.in(rooms) : namespace).fetchSockets();
  };
  const special = {
    heard: () => heard.splice(0),
    empty: async () => {
      while (io.engine.clientsCount) await new Promise((resolve) => setTimeout(resolve, 5));
      return [];
    },
    fetch: async (...args) => {
      const found = await fetch(...args);
      return found.map(({ id, data, rooms, handshake }) => ({ id, data, rooms: [...rooms].sort(), auth: handshake.auth }));
    },
    remote: async (sid, ...steps) => {
      const socket = (await fetch()).find(({ id }) => id === sid);
      const value = await follow(socket, steps);
      return steps.at(-1)[0] === "emitWithAck" ? value : null;
    },
    count: () => io.of("/").adapter.serverCount(),
  };
  io.httpServer?.close();
  const http = require("node:http").createServer();
  io.attach(http);
  http.listen(0, "127.0.0.1", () => answerLines({ port: http.address().port }, io, special));
}

main();
