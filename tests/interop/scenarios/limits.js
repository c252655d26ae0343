// What the official client makes of a server's limits; the server is tests/interop/test_limits.py's own.
"use strict";

// Too many new clients for the moment: connect_error, and it comes in by itself when there is time.
exports.triesAgain = async (ctx) => {
  const first = await ctx.connect();
  const second = ctx.open("/", { reconnection: true });
  const errors = ctx.collect(second, "connect_error");
  await ctx.connected(second);
  ctx.assert.strictEqual(await ctx.ask(second, "echo", "in"), "in");
  ctx.assert.ok(first.connected);
  return errors.map(([error]) => [error.message, error.description?.constructor === Number ? error.description : null]);
};

// One namespace more than a client may have.
exports.joinsOneTooMany = async (ctx) => {
  const socket = await ctx.connect();
  const other = await ctx.join(socket, "/a");
  const refusal = await ctx.refused(socket.io.socket("/b"));
  ctx.assert.strictEqual(await ctx.ask(other, "echo", "still"), "still");
  other.disconnect();
  await ctx.ask(socket, "echo", "gone");
  const third = await ctx.join(socket, "/b");
  ctx.assert.strictEqual(await ctx.ask(third, "echo", "now"), "now");
  return refusal;
};

// So many binary values in one event: how many came back, or why the connection was closed.
exports.sendsAttachments = async (ctx) => {
  const socket = await ctx.connect();
  const values = Array.from({ length: ctx.args.count }, (_, i) => Buffer.from([i]));
  const gone = ctx.gone(socket).catch(() => null);
  const answer = await ctx.ask(socket, "echo", values).catch(() => null);
  if (answer === null) return gone;
  ctx.assert.deepStrictEqual(answer.map((one) => one[0]), values.map((one) => one[0]));
  return answer.length;
};
