// How connections end and begin again: reasons, restarts, heartbeats, session data.
"use strict";

const http = require("node:http");

exports.clientDisconnects = async (ctx) => {
  const socket = await ctx.connect();
  await ctx.ask(socket, "join", "red");
  const gone = ctx.gone(socket);
  socket.disconnect();
  ctx.assert.equal(await gone, "io client disconnect");
};

exports.serverDisconnects = async (ctx) => {
  const socket = await ctx.connect("/", { reconnection: true });
  const gone = ctx.gone(socket);
  const before = ctx.collect(socket, "last words");
  socket.emit("kick");
  ctx.assert.equal(await gone, "io server disconnect");
  ctx.assert.deepStrictEqual([...before], [["bye", Buffer.from("bye")]]);
  ctx.assert.equal(socket.active, false);
  socket.connect();
  await ctx.connected(socket);
  await ctx.settled(socket);
};

exports.serverDisconnectsAndCloses = async (ctx) => {
  const root = await ctx.connect();
  const chat = await ctx.join(root, "/chat");
  const closed = ctx.next(root.io.engine, "close");
  const gone = Promise.all([ctx.gone(root), ctx.gone(chat)]);
  chat.emit("kick hard");
  ctx.assert.deepStrictEqual(await gone, ["io server disconnect", "io server disconnect"]);
  await closed;
};

exports.clientClosesItsEngine = async (ctx) => {
  const socket = await ctx.connect();
  const gone = ctx.gone(socket);
  socket.io.engine.close();
  ctx.assert.equal(await gone, "forced close");
};

// What no well-behaved client sends: `args.packet` as Engine.IO message of the default namespace.
exports.clientSendsARawMessage = async (ctx) => {
  const other = await ctx.connect();
  const socket = await ctx.connect();
  const gone = ctx.gone(socket);
  socket.io.engine.write(ctx.args.packet);
  for (const attachment of ctx.args.attachments || []) socket.io.engine.write(Buffer.from(attachment));
  const reason = await gone;
  await ctx.settled(other);
  return reason;
};

exports.clientSendsTooManyAttachments = async (ctx) => {
  const socket = await ctx.connect();
  const gone = ctx.gone(socket);
  socket.emit("echo", Array.from({ length: 11 }, (_, i) => Buffer.from([i])));
  return gone;
};

// Stays connected until its process is killed, with a poll that the server holds.
exports.staysUntilKilled = async (ctx) => {
  const sockets = [await ctx.connect(), await ctx.connect("/chat")];
  for (const socket of sockets) await ctx.held(socket);
  ctx.note("ready");
  await ctx.word("never said");
};

exports.staysWhileTheServerCloses = async (ctx) => {
  const root = await ctx.connect();
  const chat = await ctx.join(root, "/chat");
  await ctx.held(root);
  const gone = Promise.all([ctx.gone(root), ctx.gone(chat)]);
  ctx.note("ready");
  return gone;
};

// Connected, then without a server, then connected again: by the official client's own means.
exports.reconnects = async (ctx) => {
  const socket = await ctx.connect("/", { reconnection: true });
  const chat = await ctx.join(socket, "/chat", { token: "same again" });
  const ids = [socket.id, chat.id];
  await ctx.ask(socket, "join", "red");
  await ctx.held(socket);
  const gone = Promise.all([ctx.gone(socket), ctx.gone(chat)]);
  ctx.note("ready");
  const reasons = await gone;
  ctx.note("gone", reasons);
  const came = ctx.collect(socket, "bounce");
  for (let i = 0; i < 100; i++) socket.emit("bounce", i);
  await Promise.all([ctx.connected(socket), ctx.connected(chat)]);
  if (ctx.mode === "upgrade") await ctx.upgraded(socket.io);
  await came.enough(100);
  ctx.assert.deepStrictEqual([...came], Array.from({ length: 100 }, (_, i) => [i]));
  ctx.assert.ok(socket.id !== ids[0] && chat.id !== ids[1], "a reconnected socket has a new id");
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "rooms"), [socket.id]);
  ctx.assert.deepStrictEqual(await ctx.ask(chat, "whoami"), { token: "same again" });
  return reasons;
};

// Answers `args.beats` pings and is still there.
exports.heartbeat = async (ctx) => {
  const socket = await ctx.connect();
  const chat = await ctx.join(socket, "/chat");
  let gone = null;
  socket.on("disconnect", (reason) => { gone = reason; });
  const pings = ctx.collect(socket.io.engine, "ping");
  await pings.enough(ctx.args.beats);
  ctx.assert.equal(gone, null);
  await ctx.settled(socket, chat);
};

exports.clientStopsAnsweringPings = async (ctx) => {
  const socket = await ctx.connect();
  const gone = ctx.gone(socket);
  const { engine } = socket.io;
  const send = engine.sendPacket ?? engine._sendPacket;
  const name = engine.sendPacket ? "sendPacket" : "_sendPacket";
  engine[name] = function (type, ...rest) {
    if (type !== "pong") send.call(engine, type, ...rest);
  };
  return gone;
};

exports.noticesThatTheServerIsSilent = async (ctx) => {
  const socket = await ctx.connect("/", { reconnection: true });
  const gone = ctx.gone(socket);
  ctx.note("ready");
  ctx.note("gone", await gone);
  await ctx.connected(socket);
  await ctx.settled(socket);
};

exports.sessionData = async (ctx) => {
  const a = await ctx.connect();
  const b = await ctx.connect();
  const chat = await ctx.join(a, "/chat");
  ctx.assert.equal(await ctx.ask(a, "load", "name") ?? null, null);
  await ctx.ask(a, "save", "name", "Ann");
  await ctx.ask(b, "save", "name", "Bob");
  await ctx.ask(a, "save", "list", [1, { two: "é" }]);
  ctx.assert.equal(await ctx.ask(a, "load", "name"), "Ann");
  ctx.assert.equal(await ctx.ask(b, "load", "name"), "Bob");
  ctx.assert.equal(await ctx.ask(chat, "load", "name") ?? null, null);
  ctx.assert.deepStrictEqual(await ctx.ask(a, "load", "list"), [1, { two: "é" }]);
  a.disconnect();
  await ctx.settled(chat);
  a.connect();
  await ctx.connected(a);
  ctx.assert.equal(await ctx.ask(a, "load", "name") ?? null, null);
};

exports.sessionIsReplaced = async (ctx) => {
  const socket = await ctx.connect();
  await ctx.ask(socket, "save", "old", 1);
  await ctx.ask(socket, "save session", { fresh: 2 });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "get session"), { fresh: 2 });
};

exports.requestIsVisible = async (ctx) => {
  const socket = await ctx.connect("/", {
    query: { room: "a b&c=ü", empty: "" },
    extraHeaders: { "X-Custom": "some value", Cookie: "a=1; b=2" },
  });
  const seen = await ctx.ask(socket, "request");
  ctx.assert.equal(seen.query.room, "a b&c=ü");
  ctx.assert.equal(seen.query.EIO, "4");
  ctx.assert.equal(seen.query.transport, ctx.mode === "websocket" ? "websocket" : "polling");
  ctx.assert.equal(seen.custom, "some value");
  ctx.assert.equal(seen.cookie, "a=1; b=2");
  ctx.assert.equal(seen.address, "127.0.0.1");
};

exports.transportNames = async (ctx) => {
  const socket = ctx.open();
  const seen = [];
  socket.on("connect", () => seen.push(ctx.ask(socket, "transport")));
  await ctx.connected(socket);
  if (ctx.mode.startsWith("upgrad")) await ctx.upgraded(socket.io);
  return { atConnect: await seen[0], after: await ctx.ask(socket, "transport") };
};

// A server that offers one transport only; the client finds it by itself.
exports.connectsTo = async (ctx) => {
  const socket = await ctx.connect("/", ctx.args.options);
  await ctx.settled(socket);
  return socket.io.engine.transport.name;
};

// The client opens a connection per request by itself; a browser keeps them.
exports.pollsOverKeptConnections = async (ctx) => {
  const agent = new http.Agent({ keepAlive: true });
  const { createConnection } = agent;
  let opened = 0;
  agent.createConnection = (...args) => {
    opened += 1;
    return createConnection.apply(agent, args);
  };
  const socket = await ctx.connect("/", { agent });
  for (let i = 0; i < 30; i++) ctx.assert.equal(await ctx.ask(socket, "echo", i), i);
  ctx.assert.equal((await ctx.ask(socket, "echo", Buffer.alloc(200_000, 7))).length, 200_000);
  return opened;
};

exports.cannotConnect = async (ctx) => {
  const socket = ctx.open("/", ctx.args.options);
  return (await ctx.refused(socket)).message;
};

exports.connectsAndLeavesManyTimes = async (ctx) => {
  for (let i = 0; i < ctx.args.times; i++) {
    const socket = await ctx.connect();
    ctx.assert.equal(await ctx.ask(socket, "echo", i), i);
    socket.disconnect();
  }
};

// Leaves at every moment of connecting: the n-th client after n milliseconds.
exports.leavesWhileConnecting = async (ctx) => {
  await Promise.all(Array.from({ length: ctx.args.clients }, async (_, n) => {
    const socket = ctx.open();
    await new Promise((resolve) => setTimeout(resolve, n));
    socket.disconnect();
  }));
  const last = await ctx.connect();
  await ctx.settled(last);
};
