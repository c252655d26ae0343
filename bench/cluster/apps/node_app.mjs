/* `node node_app.mjs PORT none|classic|sharded|streams REDIS_URL`: the benchmark's application on Node, with npm's adapters. */

import { createServer } from "node:http";
import { createAdapter, createShardedAdapter } from "@socket.io/redis-adapter";
import { createAdapter as createStreamsAdapter } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

import { SETTINGS, install } from "../../servers/handlers.mjs";

const [port, kind, url] = process.argv.slice(2);

async function connected() {
  const client = createClient({ url });
  await client.connect();
  return client;
}

const makers = {
  none: async () => undefined,
  classic: async () => createAdapter(await connected(), await connected()),
  sharded: async () => createShardedAdapter(await connected(), await connected()),
  streams: async () => createStreamsAdapter(await connected()),
};
const adapter = await makers[kind]();
const http = createServer();
const io = new Server(http, adapter ? { ...SETTINGS, adapter } : SETTINGS);
install(io);
http.listen(Number(port), "127.0.0.1");
