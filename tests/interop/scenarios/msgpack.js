// What only the msgpack parser carries, and what it makes of JavaScript's values.
"use strict";

const bytes = (...values) => Buffer.from(values);

// `args` sent as event and as ack; resolves with what came back, which must be the same both ways.
async function echoed(ctx, socket, args) {
  const acked = await ctx.ask(socket, "echo", ...args);
  const bounced = ctx.next(socket, "bounce");
  socket.emit("bounce", ...args);
  // emitWithAck gives the first value of the answer only.
  ctx.assert.deepStrictEqual((await bounced)[0], acked);
  return acked;
}

async function comeBack(ctx, socket, values, expected = values) {
  for (const [i, value] of values.entries()) {
    ctx.assert.deepStrictEqual(await echoed(ctx, socket, [value]), expected[i], String(value));
  }
}

exports.msgpackCarriesText = async (ctx) => {
  const socket = await ctx.connect();
  await comeBack(ctx, socket, [
    "", "hello", "héllo €uro", "emoji 😀", "nul \u0000", "record separator \u001e", "line\u2028\u2029",
    '[{"_placeholder":true,"num":0}]', "é😀".repeat(5_000), "x".repeat(31), "x".repeat(32), "x".repeat(256),
  ]);
};

// Integers over 64 bits are left out: notepack.io writes the lower half of them.
exports.msgpackCarriesValues = async (ctx) => {
  const socket = await ctx.connect();
  const date = new Date("2024-02-29T12:00:00.123Z");
  await comeBack(ctx, socket, [
    null, true, false, 0, -1, 1.5, -32, -33, 127, 128, 255, 256, 65535, 65536, 2 ** 32, -(2 ** 31) - 1,
    2 ** 53 - 1, -(2 ** 53) + 1, 2 ** 63, 5e-324, Infinity, -Infinity, NaN, [], {}, [[[]]], { a: { b: [] } },
    { "": 1, "ключ": 2, "😀": 3 }, { _placeholder: true, num: 0 }, date, [date, { at: date }], new Date(-1),
    Array.from({ length: 20 }, (_, i) => i), Array.from({ length: 70_000 }, (_, i) => i),
  ]);
  await comeBack(ctx, socket, [undefined, [undefined], -0], [null, [null], 0]);
};

exports.msgpackCarriesBinary = async (ctx) => {
  const socket = await ctx.connect();
  const large = Buffer.alloc(300_000, 7);
  await comeBack(ctx, socket, [
    bytes(), bytes(1, 2, 255), large, { a: [bytes(0), { b: bytes(9) }], c: "text" },
    Array.from({ length: 40 }, (_, i) => bytes(i)), // no limit of ten attachments
  ]);
  const buffer = Uint8Array.from([9, 8, 7]).buffer;
  await comeBack(ctx, socket, [buffer, new Uint8Array([1, 2])], [bytes(9, 8, 7), bytes(1, 2)]);
  const seen = await ctx.ask(socket, "describe", { a: bytes(0, 7) }, buffer);
  ctx.assert.deepStrictEqual(seen, [{ a: "bytes 0007" }, "bytes 090807"]);
};

// Everything that one event holds is one message: text and binary can't be torn apart.
exports.msgpackIsOneMessage = async (ctx) => {
  const socket = await ctx.connect();
  const came = ctx.collect(socket.io.engine, "message");
  await ctx.ask(socket, "picture");
  await ctx.settled(socket);
  // The event, its answer, the answer of settled().
  ctx.assert.equal(came.length, 3);
  for (const [data] of came) ctx.assert.ok(Buffer.isBuffer(data), typeof data);
};

// A client of the default form at a server of this one: refused, and nobody else is harmed.
exports.defaultFormIsClosed = async (ctx) => {
  const other = await ctx.connect();
  const manager = ctx.manager({ parser: require("socket.io-parser") });
  const socket = manager.socket("/");
  const [reason] = await ctx.next(manager, "close");
  await ctx.settled(other);
  ctx.assert.equal(socket.connected, false);
  return reason;
};

// Sends `message`, which is no packet, and says how the connection ended.
exports.msgpackSendsRaw = async (ctx) => {
  const other = await ctx.connect();
  const socket = await ctx.connect();
  const gone = ctx.gone(socket);
  socket.io.engine.write(Buffer.from(ctx.args.message, "hex"));
  const reason = await gone;
  await ctx.settled(other);
  return reason;
};
