// Acknowledgements in both directions, on time, late and never.
"use strict";

exports.clientGetsAcks = async (ctx) => {
  const socket = await ctx.connect();
  ctx.assert.equal(await socket.emitWithAck("echo", "one"), "one");
  ctx.assert.equal(await socket.timeout(5_000).emitWithAck("echo", "in time"), "in time");
  const many = await ctx.within(new Promise((resolve) => {
    socket.emit("echo", 1, { two: 2 }, (...args) => resolve(args));
  }), "ack");
  ctx.assert.deepStrictEqual(many, [1, { two: 2 }]);
  const none = await ctx.within(new Promise((resolve) => {
    socket.emit("returns nothing", (...args) => resolve(args));
  }), "ack of nothing");
  ctx.assert.deepStrictEqual(none, []);
  ctx.assert.equal(await ctx.ask(socket, "echo coroutine", "slow"), "slow");
  const withTimeout = await ctx.within(new Promise((resolve) => {
    socket.timeout(5_000).emit("echo", 7, (error, value) => resolve([error, value]));
  }), "ack with error argument");
  ctx.assert.deepStrictEqual(withTimeout, [null, 7]);
};

exports.clientAckTimesOut = async (ctx) => {
  const socket = await ctx.connect();
  await ctx.assert.rejects(socket.timeout(20).emitWithAck("nobody listens"),
    { message: "operation has timed out" });
};

exports.clientIgnoresALateAck = async (ctx) => {
  const socket = await ctx.connect();
  const calls = [];
  const timedOut = new Promise((resolve) => {
    socket.timeout(30).emit("held", "late", (...args) => resolve(calls.push(args)));
  });
  await ctx.within(timedOut, "the timeout");
  socket.emit("release");
  await ctx.settled(socket);
  ctx.assert.equal(calls.length, 1);
  ctx.assert.equal(calls[0][0].message, "operation has timed out");
};

exports.serverAcksOutOfOrder = async (ctx) => {
  const socket = await ctx.connect();
  const order = [];
  const held = ctx.ask(socket, "held", "first").then((v) => order.push(v));
  await ctx.ask(socket, "echo", "second").then((v) => order.push(v));
  socket.emit("release");
  await held;
  ctx.assert.deepStrictEqual(order, ["second", "first"]);
};

exports.serverAcksLaterByFunction = async (ctx) => {
  const socket = await ctx.connect();
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ack by function", "x"), "x later");
  let calls = 0;
  socket.emit("ack twice", () => { calls += 1; });
  await ctx.settled(socket);
  ctx.assert.equal(calls, 1);
};

exports.serverGetsAcks = async (ctx) => {
  const socket = await ctx.connect();
  socket.on("sum", (a, b, ack) => ack(a + b));
  socket.on("several", (ack) => ack(1, { two: 2 }, "three"));
  socket.on("nothing", (ack) => ack());
  socket.on("soon", (x, ack) => setImmediate(() => ack(x)));
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "sum", [2, 3], 5), { got: [5] });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "several", [], 5),
    { got: [1, { two: 2 }, "three"] });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "soon", ["x"], 5), { got: ["x"] });
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "nothing", [], 5), { got: [null] });
  const together = await Promise.all(Array.from({ length: 50 }, (_, i) =>
    ctx.ask(socket, "ask", "soon", [i], 5)));
  ctx.assert.deepStrictEqual(together, Array.from({ length: 50 }, (_, i) => ({ got: [i] })));
};

exports.serverGetsAckByCallback = async (ctx) => {
  const socket = await ctx.connect();
  socket.on("sum", (a, b, ack) => ack(a + b, "done"));
  const came = ctx.next(socket, "callback got");
  socket.emit("ask with callback", "sum", [4, 5]);
  ctx.assert.deepStrictEqual(await came, [[9, "done"]]);
};

exports.serverAckTimesOutAndIgnoresALateOne = async (ctx) => {
  const socket = await ctx.connect();
  let late;
  socket.on("slow", (ack) => { late = ack; });
  socket.on("fast", (ack) => ack("fast"));
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "slow", [], 0.03), { error: "TimeoutError" });
  late("too late");
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "ask", "fast", [], 5), { got: ["fast"] });
};

exports.serverAckFailsWhenTheClientGoes = async (ctx) => {
  const socket = await ctx.connect();
  const asked = ctx.next(socket, "never");
  socket.on("never", () => {});
  socket.emit("ask", "never", [], 60);
  await asked;
  socket.disconnect();
};

exports.clientAckFailsWhenTheServerDisconnects = async (ctx) => {
  const socket = await ctx.connect();
  const pending = ctx.ask(socket, "nobody listens");
  const gone = ctx.gone(socket);
  socket.emit("kick");
  await ctx.assert.rejects(ctx.within(pending, "rejection"), { message: "socket has been disconnected" });
  ctx.assert.equal(await gone, "io server disconnect");
};
