// Many events: all arrive, once, in the order in which they were sent.
"use strict";

const N = 20_000;

// Counts `event`s that carry 0, 1, 2, ...; `done` resolves at `n`, and rejects at the first gap.
function inOrder(ctx, socket, event, n) {
  const state = { count: 0 };
  state.done = ctx.within(new Promise((resolve, reject) => {
    socket.on(event, (i) => {
      if (i !== state.count) reject(new Error(`${event} ${i} came in the place of ${state.count}`));
      state.count += 1;
      if (state.count === n) resolve();
    });
  }), `${n} x ${event}`).catch((error) => {
    error.message += ` (had ${state.count})`;
    throw error;
  });
  return state;
}

async function checkCount(ctx, socket, n, key = "") {
  ctx.assert.deepStrictEqual(await ctx.ask(socket, "counted", key), { count: n, wrong: null });
}

exports.clientSendsManyAtOnce = async (ctx) => {
  const socket = await ctx.connect();
  for (let i = 0; i < N; i++) socket.emit("count", i);
  await checkCount(ctx, socket, N);
};

exports.clientSendsManyInBatches = async (ctx) => {
  const socket = await ctx.connect();
  for (let i = 0; i < N; i++) {
    socket.emit("count", i);
    if (i % 100 === 0) await ctx.turn();
  }
  await checkCount(ctx, socket, N);
};

exports.clientSendsManyToACoroutine = async (ctx) => {
  const socket = await ctx.connect();
  for (let i = 0; i < 5_000; i++) socket.emit("count coroutine", i);
  await checkCount(ctx, socket, 5_000, "coroutine");
};

exports.clientSendsManyBeforeItIsConnected = async (ctx) => {
  const socket = ctx.open();
  for (let i = 0; i < N; i++) socket.emit("count", i);
  await ctx.connected(socket);
  await checkCount(ctx, socket, N);
};

exports.serverSendsManyAtOnce = async (ctx) => {
  const socket = await ctx.connect();
  const ticks = inOrder(ctx, socket, "tick", N);
  await ctx.ask(socket, "flood", N);
  await ticks.done;
  await ctx.settled(socket);
  ctx.assert.equal(ticks.count, N);
};

exports.serverSendsManyInBatches = async (ctx) => {
  const socket = await ctx.connect();
  const ticks = inOrder(ctx, socket, "tick", N);
  socket.emit("flood slowly", N, 50);
  await ticks.done;
  await ctx.settled(socket);
  ctx.assert.equal(ticks.count, N);
};

exports.bothSendManyAtOnce = async (ctx) => {
  const socket = await ctx.connect();
  const ticks = inOrder(ctx, socket, "tick", N);
  socket.emit("flood slowly", N, 100);
  for (let i = 0; i < N; i++) {
    socket.emit("count", i);
    if (i % 200 === 0) await ctx.turn();
  }
  await checkCount(ctx, socket, N);
  await ticks.done;
};

// A client that is connected by polling and waits with its upgrade for `startUpgrade`: on loopback it
// would have switched before the first event.
async function connectByPolling(ctx) {
  const socket = ctx.open("/", { upgrade: false });
  await ctx.connected(socket);
  const { engine } = socket.io;
  ctx.assert.equal(engine.transport.name, "polling");
  return { socket, startUpgrade: () => engine._probe("websocket") };
}

// Both sides send from the CONNECT on; the upgrade begins after `args.before` events, and they go on
// until it is done and N / 2 more are sent.
exports.bothSendAcrossTheUpgrade = async (ctx) => {
  const { socket, startUpgrade } = await connectByPolling(ctx);
  let atSwitch = null;
  let sent = 0;
  let received = 0;
  const wrong = [];
  socket.on("tick", (i) => {
    if (i !== received && wrong.length < 3) wrong.push(`${i} in the place of ${received}`);
    received += 1;
    if (received % 500 === 0) socket.emit("got", received);
  });
  socket.io.engine.once("upgrade", () => { atSwitch = { sent, received }; });
  // As long as it takes on a busy machine: what is lost is told from what is late by the numbers.
  const flooding = socket.timeout(40_000).emitWithAck("flood until stop", N, 10).catch((error) => {
    error.message += ` ${JSON.stringify({ atSwitch, sent, received })}`;
    throw error;
  });
  for (let rest = N / 2; sent < N || rest > 0; ) {
    if (sent === ctx.args.before) startUpgrade();
    for (let i = 0; i < 10; i++) socket.emit("count", sent++);
    if (atSwitch) rest -= 10;
    ctx.assert.ok(sent < 500_000, "no upgrade while 500,000 events were sent");
    await ctx.turn();
  }
  socket.emit("stop");
  const flooded = await flooding;
  await checkCount(ctx, socket, sent);
  ctx.assert.deepStrictEqual(wrong, []);
  ctx.assert.equal(received, flooded);
  ctx.assert.ok(atSwitch.sent > ctx.args.before && atSwitch.sent < sent, JSON.stringify({ atSwitch, sent }));
  ctx.assert.ok(atSwitch.received < flooded, JSON.stringify({ atSwitch, flooded }));
  return { ...atSwitch, allSent: sent, allReceived: received };
};

// The same with an attachment in every second event, in two namespaces.
exports.bothSendBinaryAcrossTheUpgrade = async (ctx) => {
  const { socket, startUpgrade } = await connectByPolling(ctx);
  const chat = await ctx.join(socket, "/chat");
  const seen = [[], []];
  socket.on("bounce", (i, data) => seen[0].push([i, data]));
  chat.on("bounce", (i, data) => seen[1].push([i, data]));
  let upgraded = false;
  socket.io.engine.once("upgrade", () => { upgraded = true; });
  const expected = [];
  for (let i = 0, rest = 200; i < 500 || rest > 0; i++) {
    if (i === ctx.args.before) startUpgrade();
    const data = i % 2 ? Buffer.from(`attachment ${i}`) : `text ${i}`;
    expected.push([i, data]);
    socket.emit("bounce", i, data);
    chat.emit("bounce", i, data);
    if (upgraded) rest -= 1;
    ctx.assert.ok(i < 50_000, "no upgrade");
    if (i % 5 === 0) await ctx.turn();
  }
  await ctx.settled(socket, chat);
  ctx.assert.deepStrictEqual(seen[0], expected);
  ctx.assert.deepStrictEqual(seen[1], expected);
};

exports.manyAcksAtOnce = async (ctx) => {
  const socket = await ctx.connect();
  const order = [];
  const answers = await ctx.within(Promise.all(Array.from({ length: 3_000 }, async (_, i) => {
    const answer = await socket.emitWithAck("echo", i);
    order.push(i);
    return answer;
  })), "3,000 acks");
  const expected = Array.from({ length: 3_000 }, (_, i) => i);
  ctx.assert.deepStrictEqual(answers, expected);
  ctx.assert.deepStrictEqual(order, expected);
};

exports.bounceKeepsTextAndBinaryInOrder = async (ctx) => {
  const socket = await ctx.connect();
  const bounced = ctx.collect(socket, "bounce");
  const expected = [];
  for (let i = 0; i < 1_000; i++) {
    const args = i % 3 ? [i, `text ${i}`] : [i, Buffer.from([i & 255]), { again: Buffer.from("x") }];
    expected.push(args);
    socket.emit("bounce", ...args);
  }
  await bounced.enough(1_000);
  ctx.assert.deepStrictEqual([...bounced], expected);
};
