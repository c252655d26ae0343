// Namespaces, also those that are made for a client.
"use strict";

exports.nameWithoutASlash = async (play) => {
  const a = await play.connect("a", "/chat");
  const b = await play.join("b", a, "/other");
  play.say(await play.word("names"));
  await a.ask("where");
  await b.step();
};

exports.namespacesAreApart = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  const b = await play.join("b", root, "/b");
  const other = await play.connect("other", "/a");
  await play.word("tell");
  await a.ask("all");
  for (const client of [root, a, b, other]) await client.ask("where");
};

exports.socketsOfANamespace = async (play) => {
  const a = await play.connect("a", "/a");
  const b = await play.connect("b", "/a");
  play.say(await play.word("count"));
  a.disconnect();
  await play.saw("client namespace disconnect");
  play.say(await play.word("count"));
  await b.step();
};

exports.newNamespacesAreToldOf = async (play) => {
  play.say(await play.word("make"));
};

exports.namespacesByAPattern = async (play) => {
  const a = await play.connect("a", "/dynamic-1");
  const b = await play.connect("b", "/dynamic-2");
  const c = await play.join("c", b, "/dynamic-1");
  await play.refused("d", "/dynamic-x");
  await a.ask("all");
  await c.ask("where");
  c.disconnect();
  await play.saw("out", "/dynamic-1");
};

exports.namespacesByAFunction = async (play) => {
  await play.refused("a", "/broken", { auth: { token: 1 } });
  await play.refused("b", "/other");
  const c = await play.connect("c", "/ok-1", { auth: { token: 2 } });
  await play.connect("d", "/ok-1");
  await c.ask("where");
};

exports.firstOfSeveralPatterns = async (play) => {
  await play.connect("a", "/abc");
  await play.connect("b", "/bc");
  await play.refused("c", "/c");
};

exports.parentReachesItsChildren = async (play) => {
  await play.connect("a", "/room-a");
  const b = await play.connect("b", "/room-b");
  await play.refused("c", "/room-c", { auth: { refuse: true } });
  await play.word("tell");
  await b.got("to a room");
};

exports.emptyChildrenAreForgotten = async (play) => {
  const a = await play.connect("a", "/room-a");
  a.disconnect();
  await play.saw("out");
  await play.connect("b", "/room-a");
  await play.sawTimes(2, "in");
};

exports.queryInTheName = async (play) => {
  const a = await play.raw("a");
  a.send("40/a?x=1,");
  await a.packets(1);
  a.send("40/a,");
  await a.packets(2);
};

exports.namespaceThatIsMadeByCode = async (play) => {
  play.say(await play.word("make"));
  const a = await play.connect("a", "/room-a");
  await play.connect("b", "/room-b");
  await play.word("tell");
  await a.ask("where");
};

exports.middlewareOfAParentThatComesLate = async (play) => {
  await play.connect("a", "/room-a");
  await play.word("add");
  await play.connect("b", "/room-a");
  await play.connect("c", "/room-c");
};

exports.childWhoseOnlyClientIsRefused = async (play) => {
  await play.refused("a", "/room-a");
  await play.refused("b", "/room-a");
};

exports.parentWithoutSocketsOfItsOwn = async (play) => {
  play.say(await play.word("fetch"));
};
