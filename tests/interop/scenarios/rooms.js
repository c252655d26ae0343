// Rooms and broadcasts: who gets it, who does not, and nobody twice.
"use strict";

// Clients a, b, c, ... with what each heard in `heard[i]`.
async function crowd(ctx, n, namespace = "/") {
  const sockets = await Promise.all(Array.from({ length: n }, () => ctx.connect(namespace)));
  const heard = sockets.map((socket) => {
    const events = [];
    socket.on("said", (...args) => events.push(args.length === 1 ? args[0] : args));
    return events;
  });
  return { sockets, heard };
}

// Asks the server through `socket`, and checks who heard what when all is delivered.
function checker(ctx, { sockets, heard }) {
  return async (socket, event, args, expected) => {
    await ctx.ask(socket, event, ...args);
    await ctx.settled(...sockets.filter((s) => s.connected));
    ctx.assert.deepStrictEqual(heard, expected, `${event} ${JSON.stringify(args)}`);
    for (const events of heard) events.length = 0;
  };
}

exports.joinAndLeave = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  ctx.assert.deepStrictEqual(await ctx.ask(a, "rooms"), [a.id]);
  await ctx.ask(a, "join", "red");
  await ctx.ask(b, "join", "red");
  await ctx.ask(b, "join", "red");
  ctx.assert.deepStrictEqual(new Set(await ctx.ask(b, "rooms")), new Set([b.id, "red"]));
  await check(c, "to room", ["red", "1"], [["1"], ["1"], []]);
  await check(a, "to room and me", ["red", "2"], [["2"], ["2"], []]);
  await ctx.ask(b, "leave", "red");
  await ctx.ask(b, "leave", "never joined");
  await check(c, "to room", ["red", "3"], [["3"], [], []]);
  await ctx.ask(a, "leave", "red");
  await check(c, "to room", ["red", "4"], [[], [], []]);
  await check(c, "to room", ["ünknown 😀", "5"], [[], [], []]);
};

exports.senderIsExcluded = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b] = group.sockets;
  const check = checker(ctx, group);
  await ctx.ask(a, "join", "red");
  await ctx.ask(b, "join", "red");
  await check(a, "to room", ["red", "1"], [[], ["1"], []]);
  await check(a, "broadcast", ["2"], [[], ["2"], ["2"]]);
  await check(a, "to all", ["3"], [["3"], ["3"], ["3"]]);
};

exports.aRecipientInTwoRoomsGetsItOnce = async (ctx) => {
  const group = await crowd(ctx, 4);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  for (const room of ["red", "blue"]) await ctx.ask(b, "join", room);
  await ctx.ask(c, "join", "blue");
  await ctx.ask(a, "join", "red");
  await check(a, "to rooms", [["red", "blue"], "1"], [[], ["1"], ["1"], []]);
  await check(group.sockets[3], "to rooms", [["red", "blue"], "2"], [["2"], ["2"], ["2"], []]);
};

exports.exceptRooms = async (ctx) => {
  const group = await crowd(ctx, 4);
  const [a, b, c, d] = group.sockets;
  const check = checker(ctx, group);
  for (const socket of [a, b, c]) await ctx.ask(socket, "join", "red");
  for (const socket of [b, d]) await ctx.ask(socket, "join", "quiet");
  await check(d, "to all except", ["quiet", "1"], [["1"], [], ["1"], []]);
  await check(d, "to room except", ["red", "quiet", "2"], [["2"], [], ["2"], []]);
  await check(a, "to room except", ["red", c.id, "3"], [["3"], ["3"], [], []]);
  await check(a, "my room except", ["red", "quiet", "4"], [[], [], ["4"], []]);
};

exports.ownIdIsARoom = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b] = group.sockets;
  const check = checker(ctx, group);
  await check(a, "to room", [b.id, "private"], [[], ["private"], []]);
  await check(a, "to room and me", [a.id, "to myself"], [["to myself"], [], []]);
};

exports.roomIsEmptiedAtDisconnect = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  for (const socket of [a, b]) await ctx.ask(socket, "join", "red");
  const left = ctx.next(c, "left");
  a.disconnect();
  await left;
  await check(c, "to room", ["red", "1"], [[], ["1"], []]);
  a.connect();
  await ctx.connected(a);
  ctx.assert.deepStrictEqual(await ctx.ask(a, "rooms"), [a.id]);
  await check(c, "to room", ["red", "2"], [[], ["2"], []]);
};

exports.closedRoomIsEmpty = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  for (const socket of [a, b]) await ctx.ask(socket, "join", "red");
  await check(c, "to room", ["red", "1"], [["1"], ["1"], []]);
  await ctx.ask(c, "close room", "red");
  await check(c, "to room", ["red", "2"], [[], [], []]);
  ctx.assert.deepStrictEqual(await ctx.ask(a, "rooms"), [a.id]);
};

exports.serverJoinsAndLeavesForOthers = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  for (const socket of [a, b]) await ctx.ask(socket, "join", "red");
  await ctx.ask(c, "sockets join", "red", ["blue", "green"]);
  ctx.assert.deepStrictEqual(new Set(await ctx.ask(a, "rooms")), new Set([a.id, "red", "blue", "green"]));
  await check(c, "to room", ["blue", "1"], [["1"], ["1"], []]);
  await ctx.ask(c, "sockets leave", a.id, "blue");
  await check(c, "to room", ["blue", "2"], [[], ["2"], []]);
};

exports.aRoomIsDisconnected = async (ctx) => {
  const { sockets } = await crowd(ctx, 3);
  const [a, b, c] = sockets;
  const other = await ctx.join(a, "/chat");
  for (const socket of [a, b]) await ctx.ask(socket, "join", "red");
  const gone = Promise.all([ctx.gone(a), ctx.gone(b)]);
  c.emit("disconnect sockets", "red", false);
  ctx.assert.deepStrictEqual(await gone, ["io server disconnect", "io server disconnect"]);
  await ctx.settled(c, other);
};

exports.volatileReachesAQuietClient = async (ctx) => {
  const [a, b] = (await crowd(ctx, 2)).sockets;
  await ctx.held(b);
  const heard = ctx.next(b, "said");
  a.emit("volatile to room", b.id, { picture: Buffer.from("now") });
  ctx.assert.deepStrictEqual(await heard, [{ picture: Buffer.from("now") }]);
};

exports.roomsCarryBinaryAndSeveralArguments = async (ctx) => {
  const group = await crowd(ctx, 3);
  const [a, b, c] = group.sockets;
  const check = checker(ctx, group);
  for (const socket of [a, b]) await ctx.ask(socket, "join", "red");
  const data = { picture: Buffer.from([0, 255, 1]), list: [Buffer.alloc(0), "é😀"] };
  await check(c, "to room", ["red", data], [[data], [data], []]);
  await check(a, "broadcast", [data], [[], [data], [data]]);
};

exports.broadcastsOfOneSenderKeepTheirOrder = async (ctx) => {
  const { sockets, heard } = await crowd(ctx, 3);
  for (const socket of sockets) await ctx.ask(socket, "join", "red");
  const expected = [];
  for (let i = 0; i < 600; i++) {
    const what = i % 3 === 0 ? { i, b: Buffer.from([i & 255]) } : { i };
    expected.push(what);
    sockets[0].emit(["to all", "to room and me", "broadcast"][i % 3],
      ...(i % 3 === 1 ? ["red", what] : [what]));
  }
  await ctx.settled(...sockets);
  // Their settling was answered before the last broadcasts, unless the sender's was too.
  await ctx.settled(...sockets);
  ctx.assert.deepStrictEqual(heard[1], expected);
  ctx.assert.deepStrictEqual(heard[2], expected);
  ctx.assert.deepStrictEqual(heard[0], expected.filter((_, i) => i % 3 !== 2));
};

// Mixed crowd: the same broadcast reaches polling and WebSocket clients.
exports.broadcastReachesEveryTransport = async (ctx) => {
  const transports = [["polling"], ["websocket"], ["polling", "websocket"]];
  const sockets = await Promise.all(transports.map((t) => ctx.connect("/", { transports: t })));
  const heard = sockets.map((socket) => ctx.collect(socket, "said"));
  const data = { text: "é😀\u2028", picture: Buffer.from([1, 2, 3]) };
  await ctx.ask(sockets[0], "to all", data);
  await ctx.ask(sockets[0], "to all", "plain");
  for (const events of heard) ctx.assert.deepStrictEqual([...await events.enough(2)], [[data], ["plain"]]);
};

// `clients` at once, each echoes, then each hears `rounds` broadcasts in order.
exports.manyClients = async (ctx) => {
  const { clients, rounds } = ctx.args;
  const group = await crowd(ctx, clients);
  ctx.assert.equal(new Set(group.sockets.map((s) => s.id)).size, clients);
  const echoes = await Promise.all(group.sockets.map((s, i) => ctx.ask(s, "echo", i)));
  ctx.assert.deepStrictEqual(echoes, Array.from({ length: clients }, (_, i) => i));
  const expected = Array.from({ length: rounds }, (_, i) => `round ${i}`);
  for (const what of expected) group.sockets[0].emit("to all", what);
  await ctx.settled(group.sockets[0]);
  await ctx.settled(...group.sockets);
  for (const [i, events] of group.heard.entries()) {
    ctx.assert.deepStrictEqual(events, expected, `client ${i}`);
  }
  ctx.note("all heard");
  await ctx.word("go");
};
