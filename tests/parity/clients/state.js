// What a socket knows of itself: its state, handshake and connection.
"use strict";

exports.idsAndFlags = async (play) => {
  const a = await play.connect("a");
  a.disconnect();
  await play.saw("disconnect");
};

exports.nothingWasRecovered = async (play) => {
  const a = await play.connect("a");
  play.say(a.socket.recovered);
};

exports.dataOfASocket = async (play) => {
  const a = await play.connect("a");
  const b = await play.connect("b");
  await a.ask("count");
  await a.ask("count");
  await b.ask("count");
  a.disconnect();
  await play.saw("data");
};

exports.handshakeOfASocket = async (play) => {
  await play.connect("a", "/", {
    query: { token: "é &=%", twice: "2", empty: "" },
    extraHeaders: { "x-custom": "value", cookie: "a=1; b=2", origin: "http://elsewhere.example" },
    auth: { who: "me" },
  });
  await play.connect("b");
};

exports.timeOfTheHandshake = (play) => play.connect("a");

exports.requestOfASocket = (play) => play.connect("a", "/", { extraHeaders: { "x-custom": "value" } });

exports.queryOfTheRequest = (play) => play.connect("a", "/", { query: { token: "x" } });

exports.transportOfASocket = async (play) => {
  const a = await play.connect("a");
  await a.ask("transport");
};

exports.upgradeIsToldOf = async (play) => {
  await play.connect("a");
  await play.saw("upgrade");
};

exports.referencesOfASocket = (play) => play.connect("a");

exports.clientsAreCounted = async (play) => {
  await play.connect("a");
  await play.connect("b");
  play.say(await play.word("count"));
};

exports.handshakeOnTheWire = async (play) => {
  for (const query of ["EIO=4", "EIO=4&x=1"]) {
    const client = await play.raw(query, { query });
    const { sid, ...others } = client.handshake;
    play.say(sid.length, others, Object.keys(client.handshake));
  }
  const polling = await play.polling();
  play.say(JSON.parse(polling.body.slice(1)));
};

exports.pathsThatAreOurs = async (play) => {
  for (const path of ["/", "/socket.io", "/socket.io?EIO=4&transport=polling", "/socket.io/x?EIO=4&transport=polling",
    "/socket.io/?EIO=4&transport=polling", "/other/?EIO=4&transport=polling"]) {
    const { status, body } = await play.request("GET", path);
    play.say(path, status, status === 200 ? body.slice(0, 9) : null);
  }
};

exports.eventsOfAConnection = async (play) => {
  const a = await play.connect("a");
  a.socket.io.engine.close();
  await play.saw("close");
  await play.saw("disconnect");
};
