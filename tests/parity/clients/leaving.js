// How connections end, and what each side is told.
"use strict";

exports.clientLeaves = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.disconnect();
  await play.saw("disconnect", "/a");
  await root.ask("echo", 1);
  root.disconnect();
  await play.saw("disconnect", "/");
};

exports.serverKicksFromANamespace = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.emit("leave");
  await a.gone();
  await root.ask("echo", 1);
  root.emit("leave");
  await root.gone();
  await play.saw("disconnect", "/");
};

exports.serverKicksFromAllNamespaces = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  a.emit("leave all");
  await a.gone();
  await root.gone();
  await play.sawTimes(2, "disconnect");
};

exports.websocketIsCut = async (play) => {
  const a = await play.connect("a");
  a.drop();
  await a.gone();
  await play.saw("disconnect");
};

exports.websocketIsClosed = async (play) => {
  for (const code of [undefined, 1000, 1001, 4000]) {
    const client = await play.raw(String(code));
    client.send("40");
    await client.packets(1);
    client.ws.close(code);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
};

exports.pollingClientSaysGoodbye = async (play) => {
  const client = await play.polling();
  await client.post("40");
  await client.get();
  await play.saw("in");
  const held = client.get();
  const { status, body } = await client.post("1");
  play.say(status, body, (await held).body);
  await play.saw("disconnect");
  const late = await client.get();
  play.say(late.status, late.body);
};

exports.getsThatOverlap = async (play) => {
  const client = await play.polling();
  await client.post("40");
  await client.get();
  await play.saw("in");
  const held = client.get();
  await client.post("42[\"nobody listens\"]"); // by now the server holds the first
  const second = await client.get();
  const first = await held;
  play.say(first.status, first.body, second.status, second.body);
  await play.saw("disconnect");
};

exports.enginePacketsThatAreNone = async (play) => {
  for (const packet of ["", "abc", "7", "9x"]) {
    const client = await play.raw(`packet ${packet}`);
    client.send("40");
    await client.packets(1);
    client.send(packet);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
};

exports.socketPacketsThatAreNone = async (play) => {
  for (const packet of ["4abc", "42{}", "42", '42/a,["x"]', '44{"message":"x"}', "41/a,", "450-[]", '451-["a",1]']) {
    const client = await play.raw(`packet ${packet}`);
    client.send("40");
    await client.packets(1);
    client.send(packet, "40/nowhere,");
    await Promise.race([client.closed(), client.packets(2)]);
  }
};

exports.pingThatIsNotAnswered = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.closed();
  await play.saw("disconnect");
};

exports.pingsKeepAClient = async (play) => {
  const a = await play.connect("a");
  await new Promise((resolve) => {
    let count = 0;
    a.socket.io.on("ping", () => { if (++count === 4) resolve(); });
  });
  await a.ask("echo", "still here");
};

exports.messagesThatAreTooLarge = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send(`42["x","${"y".repeat(2000)}"]`);
  await a.closed();
  await play.saw("disconnect");
  const client = await play.polling();
  const { status, body } = await client.post("4".repeat(1001));
  play.say(status, body);
};

exports.serverShutsDown = async (play) => {
  const root = await play.connect("root");
  const a = await play.join("a", root, "/a");
  await play.held(root);
  await play.word("close");
  await root.gone();
  await a.gone();
  await play.sawTimes(2, "disconnect");
};

exports.clientComesBackAfterARestart = async (play) => {
  const a = play.open("a", "/", { reconnection: true });
  await a.log.saw(["connect"]);
  await play.upgraded(a);
  await play.held(a);
  await play.restart();
  await a.gone();
  a.emit("echo", "kept while away", (answer) => a.log.add("answer", answer));
  await a.log.saw(["connect"], 2);
  await a.log.saw(["answer"]);
};

exports.kickedClientDoesNotComeBack = async (play) => {
  const a = play.open("a", "/", { reconnection: true });
  await a.log.saw(["connect"]);
  await play.upgraded(a);
  a.emit("leave");
  await a.gone();
  play.say(a.socket.active);
  a.socket.connect();
  await a.log.saw(["connect"], 2);
};

exports.connectionIsClosedBelow = async (play) => {
  const a = await play.connect("a");
  await play.word("close");
  await a.gone();
  await play.saw("disconnect");
};

exports.leavingOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send("40/a,");
  await a.packets(2);
  a.send("41/a,");
  await play.saw("disconnect", "/a");
  a.send("40/a,");
  await a.packets(3);
  a.send('42/a,["leave"]');
  await a.packets(4);
  a.send('42["leave all"]');
  await a.closed();
};

// A polling session that has joined "/".
async function joined(play) {
  const client = await play.polling();
  await client.post("40");
  await client.get();
  return client;
}

exports.kickedWhilePolling = async (play) => {
  for (const event of ["leave", "leave all"]) {
    const client = await joined(play);
    await client.post(`42["${event}"]`);
    for (let i = 0; i < (event === "leave" ? 1 : 3); i++) {
      const { status, body } = await client.get();
      play.say(event, "then a GET", status, body);
    }
  }
  const client = await joined(play);
  const held = client.get();
  await client.post('42["nobody listens"]'); // by now the server holds the GET
  await client.post('42["leave all"]');
  play.say("a held GET", (await held).body);
  for (let i = 0; i < 2; i++) {
    const { status, body } = await client.get();
    play.say("then a GET", status, body);
  }
  await play.sawTimes(3, "disconnect");
};

exports.wrongPacketsWhilePolling = async (play) => {
  for (const packet of ["4abc", "40", '42/a,["x"]', '44{"message":"x"}']) {
    for (const isHeld of [false, true]) {
      const client = await joined(play);
      const held = isHeld ? client.get() : null;
      if (isHeld) await client.post('42["nobody listens"]');
      const { status, body } = await client.post(packet);
      play.say(packet, status, body, held && (await held).body);
      for (let i = 0; i < 2; i++) {
        const after = await client.get();
        play.say("then a GET", after.status, after.body);
      }
    }
  }
};

exports.enginePacketsOnAWebsocket = async (play) => {
  for (const packet of ["0", "1", "2", "3", "5", "6", "2probe", "bAQID"]) {
    const client = await play.raw(`packet ${packet}`);
    client.send("40");
    await client.packets(1);
    client.send(packet);
    client.send('420["echo",1]');
    await Promise.race([client.packets(2), client.closed()]);
  }
};

exports.postsThatAreWrong = async (play) => {
  const octets = await joined(play);
  const { status, body } = await octets.post("4", { headers: { "content-type": "application/octet-stream" } });
  play.say("octet-stream", status, body);
  for (const text of ["", "4a\x1e", "abc", "1\x1e4never", "2"]) {
    const client = await joined(play);
    const answer = await client.post(text);
    play.say(text, answer.status, answer.body);
    const after = await client.get();
    play.say("then a GET", after.status, after.body);
  }
  const client = await joined(play);
  for (const method of ["PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const answer = await play.request(method, client.path);
    play.say(method, answer.status, answer.body);
  }
  await client.post('420["echo","still here"]');
  play.say((await client.get()).body);
};

exports.pollThatIsCutOff = async (play) => {
  const client = await joined(play);
  const held = client.get().catch(() => "cut off");
  await client.post('42["nobody listens"]'); // by now the server holds the GET
  play.agent.destroy();
  play.say(await held);
  await play.saw("disconnect");
  const { status, body } = await client.get();
  play.say(status, body);
};
