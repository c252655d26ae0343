// What applications in python-socketio's style show on the wire: see test_python_style.py.
"use strict";

// Acks of several events that are sent in one go, in the order in which they come back.
exports.acksInOrder = async (ctx) => {
  const socket = await ctx.connect();
  const order = [];
  const acks = ctx.args.events.map(
    (event) => new Promise((resolve) => socket.emit(...event, (...values) => {
      order.push(values);
      resolve();
    })),
  );
  await Promise.all(acks);
  return order;
};

// What a client that is put out after it was let in sees, besides its own event.
exports.letInAndPutOut = async (ctx) => {
  const socket = ctx.open("/refusing");
  const gone = ctx.gone(socket);
  await ctx.connected(socket);
  socket.emit("heard");
  return [await gone, socket.io.engine.readyState];
};

// A client whose events wait until its connect handler has ended.
exports.letInAndHeardLater = async (ctx) => {
  const socket = await ctx.connect("/slow");
  ctx.note("connected");
  return ctx.ask(socket, "who");
};

exports.refusedByAMistake = async (ctx) => {
  const socket = ctx.open("/mistaken");
  const { message, data } = await ctx.refused(socket);
  const root = await ctx.join(socket, "/");
  return [message, data === undefined, await ctx.ask(root, "name")];
};

exports.anyNamespace = async (ctx) => {
  const socket = await ctx.connect("/any/thing", { auth: { token: "t" } });
  const answers = [];
  for (const event of ["known", "unknown"]) {
    answers.push(await new Promise((resolve) => socket.emit(event, 1, Buffer.from("b"), (...values) => {
      resolve(values.map((value) => (Buffer.isBuffer(value) ? `bytes ${value}` : value)));
    })));
  }
  socket.disconnect();
  return [socket.nsp, ...answers];
};

// Leaves while the server waits for its answer.
exports.leavesWhileItIsAsked = async (ctx) => {
  const socket = await ctx.connect();
  const asked = ctx.next(socket, "question");
  socket.emit("ask me");
  await asked;
  socket.disconnect();
};
