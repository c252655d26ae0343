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

exports.serverAsksAll = async (ctx) => {
  const sockets = [];
  for (let i = 0; i < 3; i += 1) {
    const socket = await ctx.connect("/watched");
    sockets.push(socket);
    socket.on("question", (value, ack) => ack(`${value} ${i}`));
  }
  const all = await ctx.ask(sockets[0], "ask all", "question", 5);
  ctx.assert.deepStrictEqual(all.answers.sort(), ["x 0", "x 1", "x 2"]);
  // One says nothing, another goes instead.
  sockets[1].off("question").on("question", () => {});
  sockets[2].off("question").on("question", () => sockets[2].disconnect());
  const some = await ctx.ask(sockets[0], "ask all", "question", 0.3);
  ctx.assert.deepStrictEqual(some, { error: "PartialAnswersError", answers: ["x 0"] });
  // Who has gone is not waited for.
  sockets[1].off("question").on("question", () => sockets[1].disconnect());
  const left = await ctx.ask(sockets[0], "ask all", "question", null);
  ctx.assert.deepStrictEqual(left, { answers: ["x 0"] });
};
