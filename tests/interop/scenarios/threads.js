// The sync Server under WSGI servers: what its threads do, seen by many clients (see app_flask.py).
"use strict";

async function page(ctx, path, options) {
  const response = await ctx.within(fetch(ctx.url + path, options), `the page ${path}`);
  return [response.status, await response.json()];
}

// Events of many threads arrive all, and in each thread's order.
exports.threadsEmitAtOnce = async (ctx) => {
  const { threads, count, clients } = ctx.args;
  const sockets = await Promise.all(Array.from({ length: clients }, () => ctx.connect()));
  const seen = sockets.map((socket) => ctx.collect(socket, "n"));
  const ends = sockets.map((socket) => ctx.next(socket, "end"));
  const [status, { emitted }] = await page(ctx, `/burst/${threads}/${count}`);
  ctx.assert.equal(status, 200);
  await Promise.all(ends);
  for (const events of seen) {
    ctx.assert.equal(events.length, emitted);
    for (let thread = 0; thread < threads; thread++) {
      const own = events.filter(([number]) => number === thread);
      own.forEach(([, i, bytes], at) => {
        ctx.assert.equal(i, at);
        ctx.assert.equal(bytes === undefined ? undefined : String(bytes), i % 10 ? undefined : "bytes");
      });
      ctx.assert.equal(own.length, count);
    }
  }
  return emitted;
};

exports.blockingHandlersHoldUpNobody = async (ctx) => {
  const [socket, other] = [await ctx.connect(), await ctx.connect()];
  const blocked = Array.from({ length: 20 }, () => ctx.ask(socket, "block"));
  while (await ctx.ask(socket, "blocked") < 20) await ctx.turn();
  ctx.assert.equal(await ctx.ask(socket, "echo", "same client"), "same client");
  ctx.assert.equal(await ctx.ask(other, "echo", "other"), "other");
  ctx.assert.deepEqual((await page(ctx, "/hello/x"))[0], 200);
  other.emit("release");
  ctx.assert.deepEqual([...new Set(await Promise.all(blocked))], ["released"]);
  ctx.assert.match(await ctx.ask(socket, "where"), /^fastsio-handler-/);
};

exports.handlersAskBack = async (ctx) => {
  const socket = await ctx.connect();
  // Answered in the opposite order, so that all calls must be waiting at once.
  const waiting = [];
  socket.on("question", (number, ack) => {
    waiting.push(() => ack(number * 2));
    if (waiting.length === 10) waiting.reverse().forEach((answer) => answer());
  });
  const asked = Array.from({ length: 10 }, (_, number) => ctx.ask(socket, "ask", number));
  ctx.assert.deepEqual(await Promise.all(asked), Array.from({ length: 10 }, (_, n) => n * 2));
};

exports.classBasedNamespace = async (ctx) => {
  const one = await ctx.connect("/chat", { auth: { name: "one" } });
  const arrived = ctx.next(one, "arrived");
  const two = await ctx.connect("/chat", { auth: { name: "two" } });
  const id = two.id;
  ctx.assert.deepEqual(await arrived, [id]);
  const answer = await new Promise((resolve) => two.emit("who", (...args) => resolve(args)));
  ctx.assert.deepEqual(answer[0].auth, { name: "two" });
  ctx.assert.deepEqual(answer[1], [id, "all"].sort());
  const left = ctx.next(one, "left");
  two.disconnect();
  ctx.assert.deepEqual(await left, [id, "client disconnect"]);
};

// More clients that poll than the server has threads; its pages are served all the same.
exports.manyClientsPoll = async (ctx) => {
  const sockets = await Promise.all(Array.from({ length: ctx.args.clients }, () => ctx.connect()));
  await Promise.all(sockets.map((socket) => ctx.held(socket)));
  ctx.assert.deepEqual((await page(ctx, "/hello/you"))[1].hello, "you");
  const answers = await Promise.all(sockets.map((socket, i) => ctx.ask(socket, "echo", i)));
  ctx.assert.deepEqual(answers, sockets.map((_, i) => i));
  const ends = sockets.map((socket) => ctx.next(socket, "end"));
  await page(ctx, "/burst/1/3");
  await Promise.all(ends);
};

exports.serverShutsDownUnderWsgi = async (ctx) => {
  const sockets = await Promise.all(Array.from({ length: 5 }, () => ctx.connect()));
  await Promise.all(sockets.map((socket) => ctx.ask(socket, "echo", 1)));
  const gone = sockets.map((socket) => ctx.gone(socket));
  const [status, { threads }] = await page(ctx, "/shutdown", { method: "POST" });
  ctx.assert.equal(status, 200);
  // A client that is between two polls learns it from the answer to its next one, a 503.
  const reasons = ["transport close", ...(ctx.mode === "polling" ? ["transport error"] : [])];
  for (const reason of await Promise.all(gone)) ctx.assert.ok(reasons.includes(reason), reason);
  ctx.assert.equal((await page(ctx, "/hello/again"))[0], 200);
  return threads;
};

// Where the WSGI server keeps its connections to itself: polling, no upgrade, and WebSockets are refused.
exports.onlyPolling = async (ctx) => {
  const socket = ctx.open("/", { transports: ["polling", "websocket"] });
  const [{ upgrades }] = await ctx.next(socket.io.engine, "handshake");
  ctx.assert.deepEqual(upgrades, []);
  await ctx.connected(socket);
  for (let i = 0; i < 3; i++) {
    ctx.assert.equal(await ctx.ask(socket, "echo", i), i);
    await ctx.held(socket);
  }
  ctx.assert.equal(socket.io.engine.transport.name, "polling");
  await ctx.refused(ctx.open("/", { transports: ["websocket"] }));
  ctx.assert.equal(await ctx.ask(socket, "echo", "still there"), "still there");
};

exports.pagesEmit = async (ctx) => {
  const sockets = [await ctx.connect(), await ctx.connect()];
  const news = sockets.map((socket) => ctx.next(socket, "news"));
  ctx.assert.deepEqual(await page(ctx, "/hello/you"), [200, { hello: "you" }]);
  const body = JSON.stringify({ text: "héllo" });
  const answer = await page(ctx, "/announce", { method: "POST", body });
  ctx.assert.deepEqual(answer, [200, { length: 5 }]);
  ctx.assert.deepEqual(await Promise.all(news), [["héllo"], ["héllo"]]);
};
