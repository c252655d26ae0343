// Namespaces on one connection; who may connect, and what a refused one is told.
"use strict";

exports.threeNamespacesShareAConnection = async (ctx) => {
  const root = await ctx.connect();
  const [chat, news] = await Promise.all([ctx.join(root, "/chat"), ctx.join(root, "/news")]);
  const sockets = [root, chat, news];
  ctx.assert.equal(ctx.managers.length, 1);
  ctx.assert.equal(new Set(sockets.map((s) => s.id)).size, 3);
  ctx.assert.ok(!sockets.some((s) => s.id === root.io.engine.id), "the engine's id is a secret");
  for (const socket of sockets) {
    ctx.assert.match(socket.id, /^[\w-]{20}$/);
    ctx.assert.equal(await ctx.ask(socket, "where"), socket.nsp);
  }
  return sockets.map((s) => [s.nsp, s.id]);
};

exports.namespacesAreIsolated = async (ctx) => {
  const root = await ctx.connect();
  const chat = await ctx.join(root, "/chat");
  const news = await ctx.join(root, "/news");
  const seen = [];
  for (const s of [root, chat, news]) s.onAny((event, ...args) => seen.push([s.nsp, event, ...args]));
  chat.emit("bounce", "to chat", Buffer.from("chat"));
  await ctx.settled(root, chat, news);
  await Promise.all([root, chat, news].map((s) => ctx.ask(s, "join", "same name")));
  await ctx.ask(news, "to all", "news for all");
  await ctx.ask(root, "to room and me", "same name", "in root");
  await ctx.settled(root, chat, news);
  ctx.assert.deepStrictEqual(seen, [
    ["/chat", "bounce", "to chat", Buffer.from("chat")],
    ["/news", "said", "news for all"],
    ["/", "said", "in root"],
  ]);
};

exports.leavingOneNamespaceKeepsTheOthers = async (ctx) => {
  const root = await ctx.connect();
  const chat = await ctx.join(root, "/chat");
  const firstId = chat.id;
  const gone = ctx.gone(chat);
  chat.disconnect();
  ctx.assert.equal(await gone, "io client disconnect");
  await ctx.settled(root);
  ctx.assert.ok(root.connected && root.io.engine.readyState === "open");
  chat.connect();
  await ctx.connected(chat);
  ctx.assert.notEqual(chat.id, firstId);
  ctx.assert.equal(await ctx.ask(chat, "where"), "/chat");
  root.disconnect();
  ctx.assert.equal(await ctx.ask(chat, "where"), "/chat");
  return [firstId, chat.id];
};

exports.leavingTheDefaultNamespaceIsNotNeeded = async (ctx) => {
  const chat = await ctx.connect("/chat");
  ctx.assert.equal(await ctx.ask(chat, "where"), "/chat");
};

exports.kickFromOneNamespaceKeepsTheOthers = async (ctx) => {
  const root = await ctx.connect();
  const chat = await ctx.join(root, "/chat");
  const gone = ctx.gone(chat);
  chat.emit("kick");
  ctx.assert.equal(await gone, "io server disconnect");
  await ctx.settled(root);
  ctx.assert.ok(root.connected);
};

exports.refusedNamespaceLeavesTheOthers = async (ctx) => {
  const root = await ctx.connect();
  const admin = root.io.socket("/admin", { auth: { token: "wrong" } });
  ctx.assert.deepStrictEqual(await ctx.refused(admin), { message: "not an admin", data: { code: 7 } });
  ctx.assert.equal(admin.connected, false);
  await ctx.settled(root);
  admin.auth = { token: "root" };
  admin.connect();
  await ctx.connected(admin);
  ctx.assert.equal(await ctx.ask(admin, "where"), "/admin");
  await ctx.settled(root);
  return root.io.engine.id;
};

exports.unknownNamespaceIsRefused = async (ctx) => {
  const root = await ctx.connect();
  for (const name of ["/none", "/chat/", "/chat?token=1", "/Chat", "/ünknown 😀"]) {
    const refusal = await ctx.refused(root.io.socket(name));
    ctx.assert.deepStrictEqual(refusal, { message: "Invalid namespace", data: undefined }, name);
  }
  await ctx.settled(root);
};

exports.onlyAnUnknownNamespace = async (ctx) => {
  ctx.assert.equal((await ctx.refused(ctx.open("/none"))).message, "Invalid namespace");
};

exports.binaryOfNamespacesInterleaves = async (ctx) => {
  const root = await ctx.connect();
  const sockets = [root, await ctx.join(root, "/chat"), await ctx.join(root, "/news")];
  const seen = sockets.map((socket) => ctx.collect(socket, "bounce"));
  for (let i = 0; i < 300; i++) {
    sockets.forEach((socket, s) => socket.emit("bounce", i, Buffer.from([s, i & 255]), [`t${i}`]));
  }
  for (const [s, events] of seen.entries()) {
    await events.enough(300);
    events.forEach((event, i) => {
      ctx.assert.deepStrictEqual(event, [i, Buffer.from([s, i & 255]), [`t${i}`]]);
    });
  }
};

exports.authReachesTheServer = async (ctx) => {
  const auth = { token: "abc", nested: { list: [1, "é😀", null] }, "": true };
  const socket = await ctx.connect("/", { auth });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "whoami"), auth);
  const byFunction = await ctx.connect("/chat", { auth: (answer) => setImmediate(answer, { n: 1 }) });
  ctx.assert.deepStrictEqual(await ctx.ask(byFunction, "whoami"), { n: 1 });
};

exports.withoutAuth = async (ctx) => {
  const socket = await ctx.connect();
  return ctx.ask(socket, "whoami");
};

exports.refusedConnect = async (ctx) => {
  const refusals = [];
  for (const how of ctx.args.how) {
    const socket = ctx.open("/", { auth: { refuse: how } });
    refusals.push(await ctx.refused(socket));
    ctx.assert.equal(socket.connected, false);
    socket.auth = {};
    socket.connect();
    await ctx.connected(socket);
    await ctx.settled(socket);
  }
  return refusals;
};

exports.middlewareRunsInOrder = async (ctx) => {
  const socket = await ctx.connect("/guarded", { auth: { steps: 3 } });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "steps"), ["one", "two", "three"]);
  const refusals = [];
  for (const steps of [0, 1, 2]) {
    refusals.push(await ctx.refused(ctx.open("/guarded", { auth: { steps } })));
  }
  return refusals;
};

// In the order of arrival: "connect", and the arguments of each greeting.
exports.greeted = async (ctx) => {
  const socket = ctx.open("/greeting");
  const seen = [];
  socket.on("connect", () => seen.push("connect"));
  socket.on("greeting", (...args) => seen.push(args.map(String)));
  await ctx.connected(socket);
  await ctx.settled(socket);
  return seen;
};
