// How connections end, and what each side is told.
"use strict";

exports.clientLeaves = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.disconnect();
  await play.saw("disconnect", "/a");
  await root.ask("echo", 1);
  root.disconnect();
  await play.saw("disconnect", "/");
};

exports.serverKicksFromANamespace = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.emit("leave");
  await a.gone();
  await root.ask("echo", 1);
  root.emit("leave");
  await root.gone();
  await play.saw("disconnect", "/");
};

exports.serverKicksFromAllNamespaces = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.emit("leave all");
  await a.gone();
  await root.gone();
  await play.sawTimes(2, "disconnect");
};

exports.websocketIsCut = async (play) => {
  const a = await play.connect("a");
  a.drop();
  await a.gone();
  await play.saw("disconnect");
};

exports.websocketIsClosed = async (play) => {
  for (const code of [undefined, 1000, 1001, 4000]) {
    const client = await play.raw(String(code));
    client.send("40");
    await client.packets(1);
    client.ws.close(code);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
};

exports.pollingClientSaysGoodbye = async (play) => {
  const client = await play.polling();
  await client.post("40");
  await client.get();
  await play.saw("in");
  const held = client.get();
  const { status, body } = await client.post("1");
  play.say(status, body, (await held).body);
  await play.saw("disconnect");
  const late = await client.get();
  play.say(late.status, late.body);
};

exports.getsThatOverlap = async (play) => {
  const client = await play.polling();
  await client.post("40");
  await client.get();
  await play.saw("in");
  const held = client.get();
  await client.post("42[\"nobody listens\"]"); // by now the server holds the first
  const second = await client.get();
  const first = await held;
  play.say(first.status, first.body, second.status, second.body);
  await play.saw("disconnect");
};

exports.enginePacketsThatAreNone = async (play) => {
  for (const packet of ["", "abc", "7", "9x"]) {
    const client = await play.raw(`packet ${packet}`);
    client.send("40");
    await client.packets(1);
    client.send(packet);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
};

exports.socketPacketsThatAreNone = async (play) => {
  for (const packet of ["4abc", "42{}", "42", '42/a,["x"]', '44{"message":"x"}', "41/a,", "450-[]", '451-["a",1]']) {
    const client = await play.raw(`packet ${packet}`);
    client.send("40");
    await client.packets(1);
    client.send(packet, "40/nowhere,");
    await Promise.race([client.closed(), client.packets(2)]);
  }
};

exports.pingThatIsNotAnswered = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.closed();
  await play.saw("disconnect");
};

exports.pingsKeepAClient = async (play) => {
  const a = await play.connect("a");
  await new Promise((resolve) => {
    let count = 0;
    a.socket.io.on("ping", () => { if (++count === 4) resolve(); });
  });
  await a.ask("echo", "still here");
};

exports.messagesThatAreTooLarge = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send(`42["x","${"y".repeat(2000)}"]`);
  await a.closed();
  await play.saw("disconnect");
  const client = await play.polling();
  const { status, body } = await client.post("4".repeat(1001));
  play.say(status, body);
};

exports.serverShutsDown = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  await play.held(root);
  await play.word("close");
  await root.gone();
  await a.gone();
  await play.sawTimes(2, "disconnect");
};

exports.clientComesBackAfterARestart = async (play) => {
  const a = play.open("a", "/", { reconnection: true });
  await a.log.saw(["connect"]);
  await play.upgraded(a);
  await play.held(a);
  await play.restart();
  await a.gone();
  a.emit("echo", "kept while away", (answer) => a.log.add("answer", answer));
  await a.log.saw(["connect"], 2);
  await a.log.saw(["answer"]);
};

exports.kickedClientDoesNotComeBack = async (play) => {
  const a = play.open("a", "/", { reconnection: true });
  await a.log.saw(["connect"]);
  await play.upgraded(a);
  a.emit("leave");
  await a.gone();
  play.say(a.socket.active);
  a.socket.connect();
  await a.log.saw(["connect"], 2);
};

exports.connectionIsClosedBelow = async (play) => {
  const a = await play.connect("a");
  await play.word("close");
  await a.gone();
  await play.saw("disconnect");
};

exports.leavingOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send("40/a,");
  await a.packets(2);
  a.send("41/a,");
  await play.saw("disconnect", "/a");
  a.send("40/a,");
  await a.packets(3);
  a.send('42/a,["leave"]');
  await a.packets(4);
  a.send('42["leave all"]');
  await a.closed();
};
