// The engine beneath: requests, headers, transports, options.
"use strict";

const path = (query) => `/socket.io/?${query}`;

// Says the answer to a request, with the headers that are asked for.
async function ask(play, method, query, options, ...names) {
  const { status, headers, body } = await play.request(method, path(query), options);
  const shown = Object.fromEntries(names.map((name) => [name, headers[name] ?? null]));
  play.say(method, query.replace(/sid=[\w-]{20}/, "sid=…"), status, status === 200 ? body.slice(0, 2) : body, shown);
}

exports.requestsThatAreRefused = async (play) => {
  const { sid } = await play.polling();
  for (const [method, query] of [
    ["GET", "EIO=4"], ["GET", "EIO=4&transport=nothing"], ["GET", "EIO=4&transport=constructor"],
    ["GET", "EIO=4&transport=polling&sid=nobody"], ["POST", "EIO=4&transport=polling"],
    ["OPTIONS", "EIO=4&transport=polling"], ["PUT", "EIO=4&transport=polling"],
    ["GET", "EIO=4&transport=websocket"], ["GET", "EIO=3&transport=polling"], ["GET", "transport=polling"],
    ["GET", `EIO=4&transport=websocket&sid=${sid}`], ["GET", "EIO=4&transport=polling&sid="],
  ]) {
    await ask(play, method, query, {}, "content-type");
  }
};

exports.transportThatIsOff = async (play) => {
  await ask(play, "GET", "EIO=4&transport=websocket");
  await ask(play, "GET", "EIO=4&transport=polling");
  await play.raw("a").catch((error) => play.say("websocket", error.message));
  const { body } = await play.polling();
  play.say(JSON.parse(body.slice(1)).upgrades);
};

exports.upgradesThatAreRefused = async (play) => {
  const { sid } = await play.polling();
  for (const query of ["EIO=4&sid=nobody", `EIO=4&sid=${sid}x`]) {
    await play.raw(query, { query }).catch((error) => play.say("websocket", error.message));
  }
};

const SHOWN = ["content-type", "cache-control", "x-xss-protection", "access-control-allow-origin", "set-cookie"];

exports.headersOfPolling = async (play) => {
  await ask(play, "GET", "EIO=4&transport=polling", {}, ...SHOWN);
  await ask(play, "GET", "EIO=4&transport=polling", { headers: { "user-agent": "x;MSIE 10" } }, ...SHOWN);
  await ask(play, "GET", "EIO=4&transport=polling", { headers: { "user-agent": "Trident/7.0" } }, ...SHOWN);
  const client = await play.polling();
  const posted = await client.post("40");
  const got = await client.get();
  for (const { headers, body } of [posted, got]) play.say(...SHOWN.map((name) => headers[name] ?? null), body.slice(0, 2));
};

exports.headersThatListenersAdd = async (play) => {
  const client = await play.polling();
  const first = await play.request("GET", path("EIO=4&transport=polling"));
  const posted = await client.post("40");
  const got = await client.get();
  for (const { headers } of [first, posted, got]) play.say(headers["x-initial"], headers["x-every"]);
  const ws = await play.upgradeHeaders(path("EIO=4&transport=websocket"));
  play.say(ws["x-initial"], ws["x-every"]);
};

exports.cookieOfTheHandshake = async (play) => {
  const { headers, body } = await play.request("GET", path("EIO=4&transport=polling"));
  const [, sid] = /"sid":"([^"]+)"/.exec(body);
  play.say(headers["set-cookie"].map((cookie) => cookie.replace(sid, "the sid")));
  const client = await play.polling();
  play.say((await client.post("40")).headers["set-cookie"]);
  play.say((await play.upgradeHeaders(path("EIO=4&transport=websocket")))["set-cookie"]);
};

const CORS = ["access-control-allow-origin", "access-control-allow-credentials", "vary",
  "access-control-allow-methods", "access-control-allow-headers"];

async function corsOf(play) {
  for (const origin of ["http://good.example", "http://bad.example"]) {
    const headers = { origin };
    await ask(play, "GET", "EIO=4&transport=polling", { headers }, ...CORS.slice(0, 3));
    await ask(play, "GET", "EIO=4&transport=polling&sid=nobody", { headers }, ...CORS.slice(0, 3));
    const preflight = { ...headers, "access-control-request-method": "POST", "access-control-request-headers": "x-a" };
    await ask(play, "OPTIONS", "EIO=4&transport=polling", { headers: preflight }, ...CORS);
    const a = await play.raw(origin, { headers }).catch((error) => play.say("websocket", error.message));
    if (!a) continue;
    a.send("40");
    await a.packets(1);
  }
}

exports.originsOfAList = corsOf;
exports.anyOrigin = corsOf;
exports.noOriginIsNamed = corsOf;

exports.requestsAreAskedAbout = async (play) => {
  await ask(play, "GET", "EIO=4&transport=polling");
  await ask(play, "GET", "EIO=4&transport=polling&no=1", {}, "content-type");
  await play.raw("yes");
  await play.raw("no", { query: "EIO=4&no=1" }).catch((error) => play.say("websocket", error.message));
};

exports.middlewareOfTheEngine = async (play) => {
  const client = await play.polling();
  const { headers } = await client.post("40");
  play.say(headers["x-middleware"]);
  await ask(play, "GET", "EIO=4&transport=polling", { headers: { "x-refuse": "1" } }, "x-middleware");
  play.say((await play.upgradeHeaders(path("EIO=4&transport=websocket")))["x-middleware"]);
  await play.raw("no", { headers: { "x-refuse": "1" } }).catch((error) => play.say("websocket", error.message));
};

exports.bundleIsServed = async (play) => {
  const names = ["content-type", "cache-control", "etag"];
  for (const file of ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js",
    "socket.io.js.map", "socket.io.min.js.map", "nothing.js"]) {
    const { status, headers, body } = await play.request("GET", `/socket.io/${file}`);
    play.say(file, status, ...(status === 200 ? [names.map((name) => headers[name]), body.length] : []));
    if (status !== 200) continue;
    for (const etag of [headers.etag, `W/${headers.etag}`, '"other"']) {
      const again = await play.request("GET", `/socket.io/${file}`, { headers: { "if-none-match": etag } });
      play.say(file, etag, again.status, again.body.length);
    }
  }
};

exports.bundleIsNotServed = async (play) => {
  const { status } = await play.request("GET", "/socket.io/socket.io.js");
  play.say(status);
};

exports.idsOfTheApplication = async (play) => {
  const { sid } = await play.polling({ query: "EIO=4&who=polling" });
  const { handshake } = await play.raw("a", { query: "EIO=4&who=websocket" });
  play.say(sid, handshake.sid);
};

exports.upgradesAreOff = async (play) => {
  const a = play.open("a");
  await play.connected(a);
  await a.ask("echo", 1);
  play.say(a.socket.io.engine.transport.name);
};

exports.upgradeByHand = async (play) => {
  const client = await play.polling();
  await client.post("40");
  play.say((await client.get()).body.slice(0, 8));
  const held = client.get();
  const ws = await play.probe("ws", client);
  ws.send("2probe");
  await ws.packets(1);
  play.say("held", (await held).body);
  await client.post('42["go"]');
  ws.send("5");
  await ws.packets(4);
  const { status, body } = await client.get();
  play.say(status, body);
  const second = await play.probe("ws 2", client);
  await second.closed();
  ws.send('42["go"]');
  await ws.packets(7);
};

exports.upgradeThatIsNotFinished = async (play) => {
  const client = await play.polling();
  const ws = await play.probe("ws", client);
  ws.send("2probe");
  await ws.closed();
  const { status, body } = await client.post("40");
  play.say(status, body, (await client.get()).body.slice(0, 8));
  const other = await play.probe("other", client);
  other.send("4wrong");
  await other.closed();
};

exports.payloadsByHand = async (play) => {
  const client = await play.polling();
  await client.post('40');
  await client.get();
  const { body } = await client.post('420["echo",1]\x1e451-1["echo",{"_placeholder":true,"num":0}]\x1ebAQID\x1e42["echo","é😀"]');
  play.say(body);
  play.say((await client.get()).body);
  const bad = await client.post('421["echo",2]\x1eabc\x1e422["echo",3]');
  play.say(bad.status, bad.body);
  await play.saw("disconnect");
  const after = await client.get();
  play.say(after.status, after.body);
};

exports.binaryAsBase64 = async (play) => {
  const a = await play.raw("a", { query: "EIO=4&b64=1" });
  a.send("40");
  await a.packets(3);
  a.send('451-0["echo",{"_placeholder":true,"num":0}]', "bAQI=");
  await a.packets(5);
};

exports.answersAreCompressed = async (play) => {
  for (const encoding of ["gzip", "deflate", "gzip, deflate", "br", "identity", null]) {
    const client = await play.polling();
    await client.post("40");
    const headers = encoding ? { "accept-encoding": encoding } : {};
    const { headers: answer } = await play.request("GET", client.path, { headers });
    play.say(encoding, answer["content-encoding"]);
  }
};

exports.limitIsToldToClients = async (play) => {
  const { body } = await play.polling();
  play.say(JSON.parse(body.slice(1)).maxPayload);
};
