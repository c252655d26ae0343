// Connection state recovery.
"use strict";

// The offsets, which are the server's own, stand as "an offset".
const withoutOffsets = (client) => {
  for (const [kind, , args] of client.log.entries) {
    if (kind === "event" && typeof args.at(-1) === "string" && args.at(-1) !== "text") args[args.length - 1] = "an offset";
  }
};

async function connected(play) {
  const a = await play.connect("a");
  await a.got("hello");
  return a;
}

// Cut off; the events that it misses; and here again.
async function cut(play, a) {
  a.drop();
  await a.gone();
  await play.saw("disconnect");
  await play.word("missed");
  a.socket.connect();
  await a.log.saw(["connect"], 2);
  await play.upgraded(a);
  play.say("recovered", a.socket.recovered);
  await play.word("tell");
  await a.got("now");
  await a.step();
  withoutOffsets(a);
}

exports.missedEventsAreSentAgain = async (play) => {
  const a = await connected(play);
  await cut(play, a);
};

exports.recoveredClientIsAskedAbout = async (play) => {
  const a = await connected(play);
  await cut(play, a);
};

exports.whoLeftIsNotRecovered = async (play) => {
  const a = await connected(play);
  a.emit("leave");
  await a.gone();
  await play.saw("disconnect");
  await play.word("missed");
  a.socket.connect();
  await a.log.saw(["connect"], 2);
  play.say("recovered", a.socket.recovered);
  await a.got("hello", 2);
  withoutOffsets(a);
};

exports.recoveryThatComesTooLate = async (play) => {
  const a = await connected(play);
  a.drop();
  await a.gone();
  await play.saw("disconnect");
  await new Promise((resolve) => setTimeout(resolve, 100)); // past maxDisconnectionDuration
  a.socket.connect();
  await a.log.saw(["connect"], 2);
  play.say("recovered", a.socket.recovered);
  await a.got("hello", 2);
  withoutOffsets(a);
};

const said = (client, n) => client.log.entries[n][1];

// The texts with what differs each time taken out; their order and form stay.
function say(play, client) {
  for (const [, packet] of client.log.entries.splice(0)) {
    play.say(client.name, typeof packet === "string"
      ? packet.replace(/"pid":"[\w-]{20}"/, '"pid":"<pid>"').replace(/,"[^",]{6,12}"\]$/, ',"<offset>"]') : packet);
  }
}

exports.recoveryOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(2);
  const { sid, pid } = JSON.parse(said(a, 0).slice(2));
  const offset = JSON.parse(said(a, 1).slice(2)).at(-1);
  play.say(sid.length, pid.length, sid === pid, typeof offset);
  a.ws.terminate();
  await play.saw("disconnect");
  await play.word("missed");
  const b = await play.raw("b");
  b.send(`40${JSON.stringify({ pid, offset })}`);
  await b.packets(6);
  const again = JSON.parse(b.log.entries.map(([, packet]) => packet).find((packet) => /^40/.test(packet)).slice(2));
  play.say("the same", again.sid === sid, again.pid === pid);
  a.log.entries.pop(); // that it was closed
  say(play, a);
  say(play, b);
};

exports.recoveryOfWhatIsUnknown = async (play) => {
  const auths = [{ pid: "x".repeat(20), offset: "y" }, { pid: 1, offset: 2 }, { pid: "x" }, { offset: "y" }, { pid: null }];
  for (const [number, auth] of auths.entries()) {
    const client = await play.raw(String(number));
    client.send(`40${JSON.stringify(auth)}`);
    await client.packets(2);
    say(play, client);
  }
};

exports.recoveryInANamespace = async (play) => {
  const a = await play.connect("a", "/a");
  await a.got("hello");
  a.drop();
  await a.gone();
  await play.saw("disconnect");
  await play.word("missed");
  a.socket.connect();
  await a.got("hello", 2);
  await play.upgraded(a);
  play.say("recovered", a.socket.recovered);
  await a.step();
  withoutOffsets(a);
};

exports.recoveryOfWhoPolls = async (play) => {
  const first = await play.polling();
  await first.post("40");
  const packets = (await first.get()).body.split("\x1e");
  if (packets.length === 1) packets.push((await first.get()).body);
  const { pid, sid } = JSON.parse(packets[0].slice(2));
  const offset = JSON.parse(packets[1].slice(2)).at(-1);
  await first.post("1");
  await play.saw("disconnect");
  await play.word("missed");
  const second = await play.polling();
  await second.post(`40${JSON.stringify({ pid, offset })}`);
  const { body } = await second.get();
  const kinds = body.split("\x1e").map((packet) => packet.replace(/,"[^",]{6,12}"\]$/, ',"<offset>"]').replace(pid, "<pid>"));
  play.say(sid.length, ...kinds);
};
