// permessage-deflate as the client's own WebSocket sees it.
"use strict";

const text = (seed, size) => Array.from({ length: size }, (_, i) => `word${(i * seed) % 97}`).join(" ");

// Both ways, several times, so that a context is used; resolves with what was agreed and the bytes of the connection.
exports.deflatesBothWays = async (ctx) => {
  const socket = await ctx.connect();
  const ws = socket.io.engine.transport.ws;
  let size = 0;
  for (let i = 1; i <= 5; i++) {
    for (const value of [text(i, 2000), text(i, 3), Buffer.alloc(20_000 * i, i), { a: [text(i, 500)] }]) {
      size += (value.length ?? text(i, 500).length);
      ctx.assert.deepStrictEqual(await ctx.ask(socket, "echo", value), value);
    }
  }
  const { bytesRead, bytesWritten } = ws._socket;
  return { extensions: ws.extensions, size, bytesRead, bytesWritten };
};

// More than the server's limit, in few bytes: the close code and whether the server told the others apart.
exports.bombIsRefused = async (ctx) => {
  const socket = await ctx.connect();
  const gone = ctx.next(socket.io.engine, "close");
  socket.emit("echo", "a".repeat(20_000_000));
  const [reason, description] = await gone;
  return { reason, code: description.context?.code ?? description.code };
};
