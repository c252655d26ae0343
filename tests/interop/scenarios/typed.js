// Typed handlers: what is right comes back as its type, what is wrong is answered with where and why.
"use strict";

const bytes = (...values) => Buffer.from(values);

const problem = async (ctx, socket, event, ...args) => {
  const { error } = await ctx.ask(socket, event, ...args);
  ctx.assert.equal(error.code, "invalid_argument");
  ctx.assert.equal(error.event, event);
  return [error.argument, error.name, error.path, error.message];
};

exports.typedArgumentsAreValidated = async (ctx) => {
  const socket = await ctx.connect();
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "move", { x: 1 }), { x: 1, y: 0, data: bytes(1) });
  ctx.assert.deepStrictEqual(
    await ctx.ask(socket, "move", { x: 1, data: bytes(7, 8) }, "label", "dropped"), { x: 1, y: 0, data: bytes(7, 8) });
  ctx.assert.deepStrictEqual(await problem(ctx, socket, "move", { x: "1" }), [0, "to", "x", "Expected `int`, got `str`"]);
  ctx.assert.deepStrictEqual(await problem(ctx, socket, "move"), [0, "to", "", "missing"]);
  ctx.assert.deepStrictEqual(
    await problem(ctx, socket, "move", { x: 1 }, undefined), [1, "label", "", "Expected `str`, got `null`"]);
  ctx.assert.deepStrictEqual(
    await problem(ctx, socket, "move", { x: 1, data: "text" }), [0, "to", "data", "Expected `bytes`, got `str`"]);
  ctx.assert.deepStrictEqual(
    await problem(ctx, socket, "sum", 1, 2, "3"), [2, "numbers", "", "Expected `int`, got `str`"]);
  ctx.assert.equal(await ctx.ask(socket, "sum", 1, 2, 3), 6);
  const both = await ctx.within(new Promise((resolve) => {
    socket.emit("user", { name: "Ann" }, (...answer) => resolve(answer));
  }), "two values");
  ctx.assert.deepStrictEqual(both, [3, { name: "Ann", friends: [] }]);
  ctx.assert.deepStrictEqual(
    await problem(ctx, socket, "user", { name: 1 }), [0, "user", "name", "Input should be a valid string"]);
  ctx.assert.equal(await ctx.ask(socket, "calls"), 4);
};

exports.declaredEventsArrive = async (ctx) => {
  const socket = await ctx.connect();
  const news = ctx.next(socket, "news");
  socket.emit("tell me");
  ctx.assert.deepStrictEqual(await news, [{ x: 5, y: 0, data: bytes(1) }, true]);
  socket.on("question", (text, answer) => answer(text.length));
  ctx.assert.equal(await ctx.ask(socket, "ask me"), 3);
};

exports.typedAuthIsValidated = async (ctx) => {
  const error = await ctx.refused(ctx.open("/auth", { auth: { x: "1" } }));
  ctx.assert.equal(error.message, "invalid auth: Expected `int`, got `str`");
  ctx.assert.equal(error.data.path, "x");
  await ctx.connect("/auth", { auth: { x: 1 } });
};
