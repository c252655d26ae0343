// An emitter of npm, told what to do by lines of JSON: node node_emitter.js PACKAGE REDIS_URL
"use strict";
const { createClient } = require("redis");
const { answerLines } = require("./node_lines.js");

const [name, url] = process.argv.slice(2);

async function main() {
  if (name === "socket.io-emitter") return answerLines({ port: 0 }, require(name)(url)); // it knows older clients only
  const client = createClient({ url });
  await client.connect();
  answerLines({ port: 0 }, new (require(name).Emitter)(client));
}

main();
