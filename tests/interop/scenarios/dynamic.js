// Dynamic namespaces and middleware; the server is that of tests/interop/test_client_dynamic.py.
"use strict";

exports.dynamicNamespaces = async (ctx) => {
  const room = await ctx.connect("/room/7");
  const other = await ctx.join(room, "/room/8");
  ctx.assert.deepStrictEqual(await ctx.ask(room, "params"), { id: 7 });
  ctx.assert.deepStrictEqual(await ctx.ask(other, "params"), { id: 8 });
  ctx.assert.deepStrictEqual(await ctx.refused(ctx.open("/room/x")), { message: "Invalid namespace", data: undefined });
  const news = ctx.collect(room, "news");
  const newsOfOther = ctx.collect(other, "news");
  await ctx.ask(room, "tell", "room");
  await ctx.ask(room, "tell", "all");
  await newsOfOther.enough(1);
  ctx.assert.deepStrictEqual([...news], [["room"], ["all"]]);
  ctx.assert.deepStrictEqual([...newsOfOther], [["all"]]);
  ctx.assert.deepStrictEqual(await ctx.ask(room, "children"), ["/room/7", "/room/8"]);
  other.disconnect();
  await ctx.ask(room, "gone");
  ctx.assert.deepStrictEqual(await ctx.ask(room, "children"), ["/room/7"]);
};

exports.namespacesByFunction = async (ctx) => {
  const allowed = await ctx.connect("/asked-1", { auth: { token: "secret" } });
  ctx.assert.deepStrictEqual(await ctx.ask(allowed, "name"), "/asked-1");
  const refusal = await ctx.refused(ctx.open("/asked-2", { auth: { token: "no" } }));
  ctx.assert.deepStrictEqual(refusal, { message: "Invalid namespace", data: undefined });
  // Once it is there, everybody may join.
  const second = await ctx.connect("/asked-1", { auth: { token: "no" } });
  ctx.assert.deepStrictEqual(await ctx.ask(second, "name"), "/asked-1");
};

exports.middlewareRefuses = async (ctx) => {
  for (const [how, expected] of [
    ["raise", { message: "no", data: { code: 7 } }],
    ["next", { message: "no", data: undefined }],
    ["data", { message: "no", data: [1] }],
    ["never", { message: "middleware timeout", data: undefined }],
  ]) {
    const refusal = await ctx.refused(ctx.open("/guarded", { auth: { how } }));
    ctx.assert.deepStrictEqual(refusal, expected, how);
  }
  const socket = await ctx.connect("/guarded", { auth: { how: "admit" } });
  ctx.assert.ok(socket.connected);
};

exports.packetMiddleware = async (ctx) => {
  const socket = await ctx.connect("/packets");
  const errors = ctx.collect(socket, "refused");
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "echo", 1, Buffer.from([2])), [1, Buffer.from([2]), "seen"]);
  socket.emit("secret", 1);
  await errors.enough(1);
  ctx.assert.deepStrictEqual([...errors], [["secret is not for you"]]);
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "cached"), "from the middleware");
  // While middleware waits, events keep their order.
  const answers = await Promise.all([ctx.ask(socket, "slow", 1), ctx.ask(socket, "echo", 2)]);
  ctx.assert.deepStrictEqual(answers, [["slow", 1], [2, "seen"]]);
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "order"), ["slow", "echo"]);
};
