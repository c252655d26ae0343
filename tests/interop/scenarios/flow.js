// Flow control: concurrency, limits, pauses; the server is tests/interop/test_flow.py's own.
"use strict";

exports.oneAfterTheOther = async (ctx) => {
  const socket = await ctx.connect();
  const answers = [];
  for (let i = 0; i < 8; i += 1) answers.push(ctx.ask(socket, "one at a time", i));
  for (let i = 0; i < 8; i += 1) answers.push(ctx.ask(socket, "three at a time", i));
  ctx.assert.deepStrictEqual(await Promise.all(answers), [
    0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7,
  ]);
  const { begun, most } = await ctx.ask(socket, "report");
  for (const event of ["one at a time", "three at a time"]) {
    ctx.assert.deepStrictEqual(begun[event], [0, 1, 2, 3, 4, 5, 6, 7]);
  }
  ctx.assert.deepStrictEqual(most, { "one at a time": 1, "three at a time": 3 });
};

exports.beyondALimit = async (ctx) => {
  const socket = await ctx.connect();
  const answers = [];
  for (let i = 0; i < 5; i += 1) answers.push(await ctx.ask(socket, "limited", i));
  ctx.assert.deepStrictEqual(answers.slice(0, 3), [0, 1, 2]);
  for (const { error: { code, event, retry_after: seconds } } of answers.slice(3)) {
    ctx.assert.deepStrictEqual([code, event], ["rate_limited", "limited"]);
    ctx.assert.ok(seconds > 0);
  }
  // Other events are not counted, and without an acknowledgement nobody is told.
  socket.emit("limited", 6);
  ctx.assert.strictEqual(await ctx.ask(socket, "echo", "fine"), "fine");
  const reason = ctx.gone(socket);
  socket.emit("deadly", 1);
  socket.emit("deadly", 2);
  ctx.assert.strictEqual(await reason, "io server disconnect");
};

// The server hears nothing between "pause" and its own resume(), longer than pings may take, and then all in order.
exports.sendsWhilePaused = async (ctx) => {
  const socket = await ctx.connect();
  await ctx.ask(socket, "pause");
  for (let i = 0; i < 300; i += 1) socket.emit("counted", i, Buffer.alloc(2000));
  ctx.note("sent");
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "count"), { count: 300, wrong: null });
  ctx.assert.ok(socket.connected);
};
