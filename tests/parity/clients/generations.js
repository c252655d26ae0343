// Clients of the second generation: Engine.IO 3 and Socket.IO's protocol 4.
"use strict";

async function arrived(client) {
  await client.log.saw(["connect"]);
}

// Everything that a client does.
async function all(client) {
  await client.ask("echo");
  await client.ask("echo", "é😀", { deep: [1, null] }, 2);
  await client.ask("echo", Buffer.from([1, 2, 255]), { b: [Buffer.from([3])] });
  await client.ask("bounce", "text", Buffer.from([4]));
  client.answer("question", "answer", Buffer.from([5]));
  await client.ask("ask", "question");
  await client.got("question");
  await client.ask("all");
  await client.got("to all");
}

const generation = (version) => async (play) => {
  const a = play.old(version, "a");
  await arrived(a);
  await play.upgraded(a);
  await all(a);
  await play.saw("answer");
  a.disconnect();
  await play.saw("out");
};

exports.client202 = generation("2.0.2");
exports.client250 = generation("2.5.0");

exports.namespacesOfAnOldClient = async (play) => {
  const root = play.old("2.5.0", "root");
  await arrived(root);
  await play.upgraded(root);
  const a = play.watch("a", root.socket.io.socket("/a", { query: { token: "x", "é": "&=" } }));
  await arrived(a);
  for (const client of [a, root]) await client.ask("echo", client.name, Buffer.from([1]));
  a.emit("leave");
  await a.gone();
  await root.ask("echo", "still here");
};

exports.refusalsOfAnOldClient = async (play) => {
  for (const name of ["/text", "/data", "/nowhere"]) {
    const client = play.old("2.5.0", name, name);
    await client.log.saw(["error"]);
  }
};

exports.oldAndNewClientsTogether = async (play) => {
  const old = play.old("2.0.2", "old");
  await arrived(old);
  await play.upgraded(old);
  const young = await play.connect("young");
  await old.ask("all");
  await young.got("to all");
  await young.ask("all");
  await old.got("to all", 2);
  await old.ask("echo", 1);
  await young.ask("echo", 1);
};

const framed = (packet) => `${packet.length}:${packet}`;
const shown = ({ status, headers, body }) => [
  status, headers["content-type"], body.replace(/"sid":"[\w-]{20}"/, '"sid":"…"'),
];

exports.oldPayloadsByHand = async (play) => {
  const path = "/socket.io/?EIO=3&transport=polling&b64=1";
  const first = await play.request("GET", path);
  const [, sid] = /"sid":"([\w-]{20})"/.exec(first.body);
  const session = `${path}&sid=${sid}`;
  play.say(...shown(first));
  play.say(...shown(await play.request("GET", session)));
  for (const packet of ['420["echo",1]', "2", '421["echo","é"]', '422["echo","😀😀"]', "b4AQI="]) {
    if (packet[0] === "b") {
      const head = '451-3["echo",{"_placeholder":true,"num":0}]';
      play.say(...shown(await play.request("POST", session, { body: framed(head) + framed(packet) })));
    } else {
      play.say(packet, ...shown(await play.request("POST", session, { body: framed(packet) })));
    }
    play.say(...shown(await play.request("GET", session)));
  }
  play.say(...shown(await play.request("POST", session, { body: "5:4a" })));
  await play.saw("out");
};

exports.oldWebsocketByHand = async (play) => {
  const a = await play.raw("a", { query: "EIO=3" });
  await a.packets(1);
  a.send("2", '420["echo",1]');
  await a.packets(3);
  a.send('451-1["echo",{"_placeholder":true,"num":0}]', Buffer.from([4, 1, 2]));
  await a.packets(5);
  a.send("2probe", '40/a?x=1&y=%20,');
  await a.packets(7);
  const b = await play.raw("b", { query: "x=1" });
  await b.packets(1);
};

exports.jsonpByHand = async (play) => {
  const path = "/socket.io/?EIO=3&transport=polling&j=7";
  const first = await play.request("GET", path);
  const [, sid] = /\\"sid\\":\\"([\w-]{20})\\"/.exec(first.body);
  const session = `${path}&sid=${sid}`;
  play.say(first.status, first.headers["content-type"], first.body.replace(sid, "…"));
  play.say((await play.request("GET", session)).body);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = `d=${encodeURIComponent(framed('420["echo","a\u2028\\""]'))}`;
  play.say((await play.request("POST", session, { headers, body })).body);
  play.say((await play.request("GET", session)).body);
};

exports.oldClientsAreRefused = async (play) => {
  play.say(...shown(await play.request("GET", "/socket.io/?EIO=3&transport=polling")));
  await play.old("2.5.0", "a", "/", { transports: ["polling"] }).log.saw(["connect_error"]);
};

exports.packetsAsMsgpack = async (play) => {
  const a = await play.connect("a", "/", { parser: require("socket.io-msgpack-parser"), auth: { x: 1 } });
  await all(a);
  await play.saw("answer");
  await play.refused("b", "/nowhere", { parser: require("socket.io-msgpack-parser") });
  a.disconnect();
  await play.saw("out");
};
