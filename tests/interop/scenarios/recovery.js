// Clients that lose their connection and come back. The servers are recovery_app.js (Node's own) and recovery_app.py.
"use strict";

const net = require("node:net");

// A TCP proxy in front of the server: what a network does to a connection, whatever runs over it.
class Cable {
  constructor(port, host) {
    this.pairs = new Set();
    this.isCut = false;
    this.server = net.createServer((near) => {
      if (this.isCut) { near.destroy(); return; }
      const far = net.connect(port, host);
      const pair = [near, far];
      this.pairs.add(pair);
      const end = () => { near.destroy(); far.destroy(); this.pairs.delete(pair); };
      for (const [from, to] of [pair, [far, near]]) {
        from.on("data", (data) => { if (!pair.isSilent) to.write(data); });
        from.on("close", () => { if (!pair.isSilent) end(); });
        from.on("error", () => {});
      }
    });
  }

  async open() {
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  // Both ends see their connection end, and there is none until mend().
  cut() {
    this.isCut = true;
    for (const pair of this.pairs) for (const end of pair) if (!pair.isSilent) end.destroy();
  }

  mend() {
    this.isCut = false;
  }

  // Only the client sees its connection end, and there is none until mend(): it can't say goodbye on another one.
  cutNearEnd() {
    this.isCut = true;
    for (const pair of this.pairs) {
      pair.isSilent = true;
      pair[0].destroy();
    }
  }

  close() {
    this.server.close();
    for (const pair of this.pairs) for (const end of pair) end.destroy();
  }
}

// A client behind a cable, one that tells the server what to do, and the transcript of what the first one saw.
class Stage {
  constructor(ctx) {
    this.ctx = ctx;
    this.seen = [];
    this.ids = new Map();
  }

  static async open(ctx, namespaces = ["/"]) {
    const stage = new Stage(ctx);
    const { hostname, port } = new URL(ctx.url);
    stage.cable = new Cable(Number(port), hostname);
    stage.control = await ctx.connect("/control");
    ctx.url = await stage.cable.open();
    stage.manager = ctx.manager({ reconnection: true });
    stage.sockets = namespaces.map((name) => stage.manager.socket(name));
    [stage.socket] = stage.sockets;
    for (const socket of stage.sockets) stage.note(socket);
    await Promise.all(stage.sockets.map((socket) => ctx.connected(socket)));
    if (ctx.mode === "upgrade") await ctx.upgraded(stage.manager);
    await stage.settled(); // the server has seen the upgrade too
    return stage;
  }

  // Every event in the order in which the application sees it; offsets and ids are only compared.
  note(socket) {
    const where = socket.nsp;
    socket.on("connect", () => {
      const isSame = this.ids.get(where) === socket.id;
      this.ids.set(where, socket.id);
      this.seen.push([where, "connect", Boolean(socket.recovered), isSame]);
    });
    socket.on("disconnect", (reason) => this.seen.push([where, "disconnect", reason]));
    socket.onAny((event, ...args) => {
      const last = args.at(-1);
      // Whatever an offset is, these scenarios send no text of 5 to 12 characters without a blank.
      if (typeof last === "string" && /^[\w.-]{5,12}$/.test(last)) args[args.length - 1] = "OFFSET";
      this.seen.push([where, event, ...args]);
    });
  }

  // Have the server do something; it has happened when this resolves.
  tell(what, ...args) {
    return this.ctx.ask(this.control, what, ...args);
  }

  emit(where, event, ...args) {
    return this.tell("emit", where, event, args);
  }

  // All that the server has sent has arrived.
  settled() {
    return Promise.all(this.sockets.map((socket) => this.ctx.ask(socket, "echo")));
  }

  async back() {
    await Promise.all(this.sockets.map((socket) => this.ctx.connected(socket)));
    await this.settled();
  }

  // Lose the connection, and come back only after `meanwhile` has happened.
  async away(lose, meanwhile) {
    const gone = Promise.all(this.sockets.map((socket) => this.ctx.gone(socket)));
    this.manager.reconnection(false);
    // Else the server would not see that a client that polls is lost, before it is late with its next request.
    await this.ctx.held(this.socket);
    await lose();
    await gone;
    this.cable.mend();
    await this.tell("gone");
    await meanwhile();
    this.manager.reconnection(true);
    this.sockets.forEach((socket) => socket.connect());
    await this.back();
  }

  async end() {
    const log = await this.tell("log");
    this.manager.reconnection(false);
    this.sockets.forEach((socket) => socket.disconnect());
    this.cable.close();
    return { seen: this.seen, log };
  }
}

async function playing(ctx, namespaces, play) {
  const stage = await Stage.open(ctx, namespaces);
  try {
    await play(stage);
    return await stage.end();
  } finally {
    stage.cable.close();
  }
}

const LOSE = {
  cut: (stage) => stage.cable.cut(),
  close: (stage) => stage.tell("close", stage.socket.id),
  engine: (stage) => stage.manager.engine.close(),
};

// `args.lose`: how the connection ends.
exports.comesBack = (ctx) => playing(ctx, ["/"], async (stage) => {
  const { id } = stage.socket;
  await stage.tell("join", id, "room");
  await stage.tell("set", id, "name", "Ann");
  await stage.emit({}, "known", 1);
  await stage.settled();
  await stage.away(() => LOSE[ctx.args.lose](stage), async () => {
    await stage.emit({}, "to all");
    await stage.emit({ to: ["room"] }, "to the room", { a: [1, null] });
    await stage.emit({ to: [id] }, "to its id", Buffer.from([0, 255]), { b: Buffer.from("b") });
    await stage.emit({ to: ["room", id, "other"] }, "once");
    await stage.emit({ to: ["other"] }, "not to it");
    await stage.emit({ except: ["room"] }, "not to the room");
    await stage.emit({ to: ["room"], except: [id] }, "not to its id");
    await stage.emit({ volatile: true }, "volatile", 1);
    await stage.tell("emit by its socket", "by its old socket");
  });
  await stage.emit({ to: ["room"] }, "after");
  await stage.settled();
});

exports.comesBackTwice = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.emit({}, "first", 0);
  await stage.settled();
  for (const round of [1, 2, 3]) {
    await stage.away(() => stage.cable.cut(), () => stage.emit({}, "missed", round));
    await stage.emit({}, "seen", round);
    await stage.settled();
  }
});

exports.comesBackInNamespaces = (ctx) => playing(ctx, ["/", "/chat"], async (stage) => {
  await stage.emit({}, "in root", 1);
  await stage.emit({ nsp: "/chat" }, "in chat", 1);
  await stage.settled();
  await stage.away(() => stage.cable.cut(), async () => {
    await stage.emit({}, "in root", 2);
    await stage.emit({ nsp: "/chat" }, "in chat", 2);
  });
});

exports.comesBackAfterItWasPutOut = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.emit({}, "known", 1);
  await stage.settled();
  await stage.away(() => stage.tell("kick", stage.socket.id), () => stage.emit({}, "missed", 2));
});

exports.comesBackAfterItLeft = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.emit({}, "known", 1);
  await stage.settled();
  await stage.away(() => stage.socket.disconnect(), () => stage.emit({}, "missed", 2));
});

// Comes back after `args.after` milliseconds.
exports.comesBackLate = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.emit({}, "known", 1);
  await stage.settled();
  await stage.away(() => stage.cable.cut(), () => new Promise((resolve) => setTimeout(resolve, ctx.args.after)));
});

// What Node's server can't.

exports.comesBackBeforeItsFirstEvent = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.away(() => stage.cable.cut(), () => stage.emit({}, "missed", 1));
});

exports.comesBackAfterAVolatileText = (ctx) => playing(ctx, ["/"], async (stage) => {
  await stage.emit({}, "known", 1);
  await stage.emit({ volatile: true }, "volatile", "a text");
  await stage.emit({ volatile: true }, "a volatile event without arguments");
  await stage.settled();
  await stage.away(() => stage.cable.cut(), () => stage.emit({}, "missed", 2));
});

// The server does not know yet that the old connection is dead.
exports.comesBackWhileTheServerThinksItIsThere = (ctx) => playing(ctx, ["/", "/chat"], async (stage) => {
  const { id } = stage.socket;
  await stage.tell("join", id, "room");
  await stage.emit({}, "known", 1);
  await stage.emit({ nsp: "/chat" }, "in chat", 1);
  await stage.settled();
  await ctx.held(stage.socket);
  stage.manager.reconnection(false);
  const gone = ctx.gone(stage.socket);
  stage.cable.cutNearEnd();
  await gone;
  await stage.emit({ to: ["room"] }, "into the void", 2);
  await stage.emit({ nsp: "/chat" }, "into the void", 2);
  stage.cable.mend();
  stage.manager.reconnection(true);
  stage.sockets.forEach((socket) => socket.connect());
  await stage.back();
  await stage.emit({ to: ["room"] }, "after", 3);
  await stage.settled();
});

// Lost again and again while the server sends one event after the other; each is seen once, in its order.
exports.losesNothing = (ctx) => playing(ctx, ["/"], async (stage) => {
  const numbers = [];
  stage.socket.on("count", (number) => numbers.push(number));
  await stage.tell("count", ctx.args.count);
  for (let i = 0; i < ctx.args.losses; i += 1) {
    await ctx.within(new Promise((resolve) => {
      const enough = (i + 1) * 20;
      stage.socket.on("count", (number) => { if (number >= enough) resolve(); });
    }), "more events");
    const gone = ctx.gone(stage.socket);
    await ctx.held(stage.socket);
    if (i % 2) stage.cable.cutNearEnd();
    else stage.cable.cut();
    await gone;
    stage.cable.mend();
    await ctx.connected(stage.socket);
  }
  await ctx.within(new Promise((resolve) => {
    const timer = setInterval(() => {
      if (numbers.at(-1) === ctx.args.count - 1) { clearInterval(timer); resolve(); }
    }, 5);
  }), "the last event");
  ctx.assert.deepStrictEqual(numbers, Array.from({ length: ctx.args.count }, (_, i) => i));
  stage.seen = stage.seen.filter(([, event]) => event !== "count");
});

// Node's manual: the client closes its engine, which is how a lost connection is tried out, and comes back by itself.
exports.documentedRecovery = async (ctx) => {
  const socket = ctx.open("/", { reconnection: true, auth: { name: "Ann" } });
  const recovered = [];
  const headlines = [];
  socket.on("connect", () => recovered.push(socket.recovered));
  socket.on("headline", (text) => headlines.push(text));
  await ctx.connected(socket);
  // Closed during its upgrade, the client keeps what came last for later, and asks for it once more.
  if (ctx.mode === "upgrade") await ctx.upgraded(socket.io);
  const { id } = socket;
  ctx.note("connected");
  await ctx.word("close");
  socket.io.engine.close();
  await ctx.within(new Promise((resolve) => {
    socket.on("headline", () => { if (headlines.at(-1) === "last") resolve(); });
  }), "the last headline");
  ctx.assert.equal(socket.id, id);
  return { recovered: recovered.map(Boolean), headlines };
};
