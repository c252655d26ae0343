// The applications of ported/: what two clients, plain HTTP and the application's own WebSocket see of them.
"use strict";

const WebSocket = require("ws");

async function get(ctx, path, options) {
  const response = await ctx.within(fetch(ctx.url + path, options), path);
  const type = response.headers.get("content-type");
  const body = await response.text();
  return [response.status, type?.startsWith("application/json") ? JSON.parse(body) : body];
}

const post = (ctx, path, body) => get(ctx, path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
});

// The next scenario finds the application as this one did.
async function leave(ctx, ...sockets) {
  for (const socket of sockets) socket.disconnect();
  while ((await get(ctx, "/people"))[1].people.length > 0) await ctx.turn();
}

exports.usesAPortedApplication = async (ctx) => {
  const seen = {};
  seen.nobody = await get(ctx, "/people");
  seen.stream = await get(ctx, "/stream");
  seen.refused = await ctx.refused(ctx.open("/", { auth: { token: "wrong" } }));

  const ann = await ctx.connect("/", { auth: { token: "secret", name: "Ann" } });
  const arrived = ctx.next(ann, "arrived");
  const bob = await ctx.connect("/", { auth: { token: "secret", name: "Bob" } });
  seen.arrived = await arrived;

  const said = ctx.next(bob, "said");
  seen.firstAck = await new Promise((resolve) => ann.emit("say", "hello", (...a) => resolve(a)));
  seen.secondAck = await new Promise((resolve) => ann.emit("say", "again", (...a) => resolve(a)));
  seen.said = await said;

  const picture = ctx.next(ann, "picture");
  seen.length = await ctx.ask(ann, "picture", { data: Buffer.from([1, 2, 3, 250]) });
  const [{ of, data }] = await picture;
  seen.picture = [of, Buffer.from(data).toString("hex")];

  bob.on("question", (about, answer) => answer(about.of, 42));
  seen.call = await ctx.ask(bob, "ask me");

  seen.both = await get(ctx, "/people");
  seen.bob = await get(ctx, "/people/Bob");
  seen.noPage = (await get(ctx, "/people/Eve"))[0];

  const news = Promise.all([ctx.next(ann, "news"), ctx.next(bob, "news")]);
  seen.announced = await post(ctx, "/announce", { text: "héllo" });
  seen.news = await news;

  seen.noAdmin = (await ctx.refused(ctx.open("/admin"))).message;
  const admin = await ctx.connect("/admin", { extraHeaders: { "X-Admin": "yes" } });
  const left = ctx.next(bob, "left");
  ann.disconnect();
  seen.left = await left;
  seen.closed = await ctx.ask(admin, "close", "lobby");
  bob.on("news", () => { throw new Error("the room was closed"); });
  await post(ctx, "/announce", { text: "nobody hears" });
  seen.transport = bob.io.engine.transport.name;
  seen.afterClose = await ctx.ask(bob, "say", "alone");
  await leave(ctx, bob, admin);
  return seen;
};

// The application's own WebSocket beside the clients' ones.
exports.usesTheApplicationsWebSocket = async (ctx) => {
  const ann = await ctx.connect("/", { auth: { token: "secret", name: "Ann" } });
  const own = new WebSocket(ctx.url.replace("http", "ws") + "/ws");
  await ctx.next(own, "open");
  const answers = ctx.collect(own, "message");
  own.send("one");
  const acked = await ctx.ask(ann, "say", "between");
  own.send("two");
  const heard = (await answers.enough(2)).map(([data]) => data.toString());
  own.close(1000);
  const [code] = await ctx.next(own, "close");
  await leave(ctx, ann);
  return { acked, heard, code };
};
