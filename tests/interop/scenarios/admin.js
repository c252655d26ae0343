// The official client as an admin, with the events and commands of @socket.io/admin-ui: see test_admin.py.
"use strict";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+]00:00)$/;

// All that an admin hears, with names for ids and without times; `had(n, test)` waits for the nth that passes.
class Ear {
  constructor(ctx, socket) {
    this.ctx = ctx;
    this.names = new Map();
    this.heard = [];
    this.waiting = new Set();
    socket.onAny((...event) => {
      this.heard.push(event);
      for (const look of this.waiting) look();
    });
  }

  had(what, test) {
    const came = new Promise((resolve) => {
      const look = () => {
        const found = this.heard.find((event) => test(...event));
        if (found) {
          this.waiting.delete(look);
          resolve(found.slice(1));
        }
      };
      this.waiting.add(look);
      look();
    });
    return this.ctx.within(came, what);
  }

  // Those that were told of a name, in their order.
  of(name) {
    const tidy = (value) => this.tidy(value);
    return this.heard.filter((event) => event[0] === name).map((event) => event.slice(1).map(tidy));
  }

  tidy(value) {
    if (typeof value === "string") return this.names.get(value) || (TIME.test(value) ? "<time>" : value);
    if (Array.isArray(value)) return value.map((one) => this.tidy(one));
    if (value && value.handshake) return this.socket(value);
    return value;
  }

  // Of a socket's description: what is the same each time, and the names of the rest.
  socket({ id, clientId, transport, nsp, data, handshake, rooms }) {
    const { headers, query, issued, address } = handshake;
    this.ctx.assert.ok(Math.abs(Date.now() - issued) < 60_000 || issued === 0, `issued ${issued}`);
    return {
      id: this.tidy(id), nsp, transport, data, rooms: rooms.map((room) => this.tidy(room)).sort(),
      clientId: clientId.length, EIO: query.EIO, host: "host" in headers, address,
      handshake: Object.keys(handshake).sort(),
    };
  }
}

exports.adminRefused = async (ctx) => {
  const refusals = [];
  for (const auth of [{}, { username: "admin", password: "no" }, { sessionId: null }]) {
    refusals.push(await ctx.refused(ctx.open("/admin", { auth })));
  }
  return refusals;
};

// Comes back with the session of its login, where the server gave it one.
exports.adminComesBack = async (ctx) => {
  const first = ctx.open("/admin", { auth: ctx.args.login });
  const given = ctx.next(first, "session");
  await ctx.connected(first);
  const [sessionId] = await given;
  const again = await ctx.connect("/admin", { auth: { sessionId } });
  return [sessionId.length, again.connected];
};

// An admin watches two clients and changes what it can; the transcript by event.
exports.adminWatches = async (ctx) => {
  const admin = ctx.open("/admin", { auth: ctx.args.login });
  const ear = new Ear(ctx, admin);
  await ctx.connected(admin);
  ear.names.set(admin.id, "ADMIN");
  await ear.had("config", (event) => event === "config");
  if (!ctx.args.production) await ear.had("all_sockets", (event) => event === "all_sockets");

  const one = await ctx.connect();
  const two = await ctx.connect();
  const [oneId, twoId] = [one.id, two.id]; // they have none once they are gone
  ear.names.set(oneId, "ONE").set(twoId, "TWO");
  ctx.assert.equal(await ctx.ask(one, "enter", "lobby"), "entered");
  const answer = ctx.next(one, "answer");
  ctx.assert.equal(await ctx.ask(one, "ask", 1, "x"), "asked");
  await answer;
  one.emit("unknown", { a: 1 });

  // What an admin may do, if it is told so by `config`.
  const [{ supportedFeatures }] = await ear.had("config", (event) => event === "config");
  const hello = ctx.next(two, "hello");
  if (ctx.args.commands) {
    admin.emit("join", "/", "club", twoId);
    admin.emit("emit", "/", "club", "hello", 1, "x");
    ctx.assert.deepEqual(await hello, [1, "x"]);
    admin.emit("leave", "/", "club");
    const gone = ctx.gone(two);
    admin.emit("_disconnect", "/", false, twoId);
    await gone;
  } else {
    hello.catch(() => {});
    two.disconnect();
  }
  one.disconnect();
  const [figures] = await ear.had("figures without them", (event, stats) => event === "server_stats"
    && stats.namespaces[0].socketsCount === 0 && (!ctx.args.clients || stats.clientsCount === ctx.args.clients));
  if (!ctx.args.production) {
    await ear.had("its end", (event, nsp, id) => event === "socket_disconnected" && id === oneId);
    await ear.had("its room left", (event, nsp, room, id) => event === "room_left" && id === oneId);
  }
  await ctx.next(admin, "server_stats"); // and all that was queued before it
  const transcript = {};
  for (const [name] of ear.heard) if (name !== "server_stats") transcript[name] = ear.of(name);
  const stats = ear.heard.filter(([name]) => name === "server_stats").map(([, one]) => one);
  const types = new Set(stats.flatMap((one) => one.aggregatedEvents.map(({ type }) => type)));
  return {
    transcript, features: supportedFeatures.sort(), figures: Object.keys(figures).sort(), types: [...types].sort(),
    serverId: figures.serverId, polling: figures.pollingClientsCount, namespaces: figures.namespaces,
  };
};

// A client that goes from polling to a WebSocket while an admin watches.
exports.adminSeesAnUpgrade = async (ctx) => {
  const admin = ctx.open("/admin", { auth: ctx.args.login, transports: ["websocket"] });
  const ear = new Ear(ctx, admin);
  await ctx.connected(admin);
  const client = await ctx.connect("/", { transports: ["polling", "websocket"] });
  const [update] = await ear.had("the upgrade", (event, what) => event === "socket_updated" && what.id === client.id);
  return [update.nsp, update.transport];
};
