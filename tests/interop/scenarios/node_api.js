// What Node's server API has besides events, acks and rooms; the server is tests/interop/app_io.py, "/watched".
"use strict";

exports.serverListensToAll = async (ctx) => {
  const socket = await ctx.connect("/watched");
  const greetings = ctx.collect(socket, "greeting");
  socket.emit("echo back", 1, Buffer.from([2]));
  socket.emit("nobody listens", "x");
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "order"), ["any", "prepended", "on"]);
  await greetings.enough(2);
  const [heard, sent] = await ctx.ask(socket, "watched");
  ctx.assert.deepStrictEqual(heard, [
    ["echo back", 1, Buffer.from([2])], ["nobody listens", "x"], ["order"], ["watched"],
  ]);
  ctx.assert.deepStrictEqual(sent, [["greeting", 1, Buffer.from([2])], ["greeting", "all"]]);
  ctx.assert.deepStrictEqual([...greetings], [[1, Buffer.from([2])], ["all"]]);
};
