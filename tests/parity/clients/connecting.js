// Coming in: CONNECT, auth, middleware, refusals.
"use strict";

exports.greetingFollowsTheConnect = async (play) => {
  const a = await play.connect("a");
  await a.got("greeting", 2);
};

exports.connectComesBeforeConnection = (play) => play.connect("a");

exports.authReachesTheHandshake = async (play) => {
  await play.connect("a");
  await play.connect("b", "/", { auth: { token: "x", deep: { é: [1, "😀", null, true] } } });
  await play.connect("c", "/", { auth: (give) => give({ made: "late" }) });
};

exports.middlewareRunsInOrder = async (play) => {
  await play.connect("a", "/", { auth: { n: 1 } });
  await play.connect("b", "/", { auth: { n: 2 } });
};

exports.middlewareRefuses = async (play) => {
  for (const how of ["text", "data", "empty"]) await play.refused(how, "/", { auth: { how } });
  await play.connect("in");
};

exports.middlewareOfTheRootIsNotOfOthers = async (play) => {
  const a = await play.refused("a");
  await play.join("b", a, "/open");
};

exports.unknownNamespaceKeepsTheConnection = async (play) => {
  const a = await play.connect("a");
  const b = play.joining("b", a, "/nowhere");
  await b.log.saw(["connect_error"]);
  await a.ask("echo", "still here");
};

exports.namespacesShareAConnection = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  const b = await play.join("b", root, "/b");
  for (const client of [root, a, b]) await client.ask("who");
  a.disconnect();
  await play.saw("out", "/a");
  await root.ask("who");
  await b.ask("who");
};

exports.connectingTwiceEndsTheConnection = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send("40");
  await a.closed();
  await play.saw("disconnect");
};

exports.connectPacketsByHand = async (play) => {
  for (const packet of ["40", "40{}", '40{"a":1}', "40/a,", "40/a", "40/a,{}", "40/x,", "40/a,b,"]) {
    const client = await play.raw(packet);
    client.send(packet);
    await Promise.race([client.packets(1), client.closed()]);
  }
  for (const packet of ["40[]", "40null", '40"x"', "401", "40/?x=1,", "40{"]) {
    const client = await play.raw(packet);
    client.send(packet);
    await Promise.race([client.packets(1), client.closed()]);
  }
};

exports.eventsBeforeTheConnect = async (play) => {
  for (const packet of ['42["a"]', "41", "43[]", '42/x,["a"]', '44{"message":"no"}']) {
    const client = await play.raw(packet);
    client.send(packet);
    await client.closed();
  }
};

exports.whoNeverJoinsIsClosed = async (play) => {
  const idle = await play.raw("idle");
  const refused = await play.raw("refused");
  const joined = await play.raw("joined");
  joined.send("40");
  refused.send("40/nowhere,");
  await idle.closed();
  await refused.closed();
  joined.send("40/nowhere,");
  await joined.packets(2);
};

exports.clientThatLeavesWhileItIsAskedAbout = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await play.saw("asked");
  a.ws.close();
  await a.closed();
  const b = await play.raw("b"); // by now the server knows that a is gone
  await play.word("go");
  await play.saw("let in");
  b.send("40");
  await b.packets(1);
  play.say("rooms", await play.word("rooms"));
};

exports.joinInAMiddleware = async (play) => {
  await play.refused("a", "/", { auth: { refuse: true } });
  play.say("after the refusal", await play.word("rooms"));
  const b = await play.connect("b");
  await play.word("tell");
  await b.got("told");
};

exports.refusedClientTriesAgain = async (play) => {
  const a = await play.refused("a", "/", { auth: { token: "wrong" } });
  a.socket.auth = { token: "right" };
  a.socket.connect();
  await a.log.saw(["connect"]);
};

exports.leavingAndComingAgain = async (play) => {
  const a = await play.connect("a");
  const b = await play.connect("b");
  a.disconnect();
  await play.saw("disconnect");
  a.socket.connect();
  await a.log.saw(["connect"], 2);
  b.disconnect();
};

exports.middlewareAddedLaterIsForLaterClients = async (play) => {
  await play.connect("a");
  await play.word("add");
  await play.connect("b");
};

exports.disconnectedInTheConnectionHandler = async (play) => {
  const a = play.open("a");
  await a.gone();
  await play.saw("connected");
};

exports.middlewareThatNeverAnswers = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await play.saw("asked");
  await new Promise((resolve) => setTimeout(resolve, 600)); // past middleware_timeout, which Node has not
  a.send("40/nowhere,");
  await a.log.saw(["packet", '44/nowhere,{"message":"Invalid namespace"}']);
};

exports.middlewareThatAnswersTwice = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await play.saw("connection");
  a.send("40/nowhere,");
  await a.log.saw(["packet", '44/nowhere,{"message":"Invalid namespace"}']);
};

exports.connectionHandlerThatRaises = async (play) => {
  const a = await play.connect("a");
  await a.ask("echo", 1);
};

exports.severalConnectionHandlers = async (play) => {
  await play.connect("a");
  await play.connect("b");
};

exports.queriesOfTheHandshake = async (play) => {
  const queries = ["EIO=4&x=1&x=2", "EIO=4&empty=&alone", "EIO=4&a+b=c+d%20e&%C3%A9=%F0%9F%98%80", "EIO=4&x[]=1&x[]=2", "EIO=4&=x&bad=%zz"];
  for (const query of queries) {
    const client = await play.raw(query, { query });
    client.send("40");
    await client.packets(1);
  }
};
