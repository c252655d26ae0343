// Emits, acknowledgements and flags.
"use strict";

exports.acksOfTheServer = async (play) => {
  const a = await play.connect("a");
  for (const event of ["nothing", "null", "one", "several", "bytes"]) await a.ask(event);
  await a.ask("echo");
  await a.ask("echo", null, [], {}, "", 0, false, Buffer.from([7]), { "é": ["😀"] });
};

exports.ackIsSentOnce = async (play) => {
  const a = await play.connect("a");
  await a.ask("twice");
  await a.ask("later");
  await a.socket.timeout(50).emitWithAck("never").catch((error) => play.say(error));
  await a.ask("later");
};

exports.acksOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send('420["echo",1]', '4212["echo"]', '42["echo","no ack"]', '4299999["bytes"]');
  a.send('4551-7["echo",{"_placeholder":true,"num":0}]'.replace("4551", "451"), Buffer.from([9]));
  await a.packets(7);
};

exports.serverAsksAClient = async (play) => {
  const a = await play.connect("a");
  a.answer("none");
  a.answer("one", 1);
  a.answer("several", "é", [2], Buffer.from([3]));
  for (const event of ["none", "one", "several"]) {
    a.emit("ask", event);
    await play.saw("answer", event);
  }
};

exports.serverAwaitsAnAnswer = async (play) => {
  const a = await play.connect("a");
  a.answer("one", { x: 1 });
  a.answer("bytes", Buffer.from([1, 2]));
  for (const event of ["one", "bytes"]) {
    a.emit("ask", event);
    await play.saw("answer", event);
  }
};

exports.askingOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(3);
  a.send('431["two"]', '430["one",[]]', '430["again"]', '4317["nobody asked"]', '42["bytes"]');
  await a.packets(5);
  a.send('461-2[{"_placeholder":true,"num":0}]', Buffer.from([5]));
  await play.saw("b");
};

exports.answerThatDoesNotCome = async (play) => {
  const a = await play.connect("a");
  a.emit("callback", "nothing");
  await play.saw("callback");
  await a.ask("await", "nothing");
};

exports.answerInTime = async (play) => {
  const a = await play.connect("a");
  a.answer("quick", "answer");
  await a.ask("go");
  await play.saw("callback");
};

exports.broadcastThatAllAnswer = async (play) => {
  for (const name of ["a", "b", "c"]) {
    const client = await play.connect(name);
    client.answer("question", `from ${name}`);
    client.answer("again", 1);
  }
  play.say("all", await play.word("ask", null));
  await play.saw("callback");
  play.say("room", await play.word("ask", "room"));
  await play.sawTimes(2, "callback");
};

exports.broadcastThatSomeAnswer = async (play) => {
  for (const name of ["a", "b"]) {
    const client = await play.connect(name);
    if (name === "a") client.answer("question", "from a", "and more");
  }
  play.say("result", await play.word("ask"));
  await play.saw("callback");
};

exports.broadcastThatNobodyGets = async (play) => {
  play.say("result", await play.word("ask"));
};

exports.broadcastWithAcksAndNoTimeout = async (play) => {
  const a = await play.connect("a");
  await play.word("ask");
  await a.got("question"); // and no answer
  await play.connect("b");
};

exports.askedClientThatGoes = async (play) => {
  const a = await play.connect("a");
  await a.ask("go");
  await a.got("question");
  a.disconnect();
  await play.saw("disconnect");
  const b = await play.connect("b");
  await b.step();
};

exports.bytesWhereverTheyAre = async (play) => {
  const a = await play.connect("a");
  await a.ask("echo", Buffer.from([1, 2, 3]));
  await a.ask("echo", { a: [Buffer.from([]), { b: new Uint8Array([4]) }] }, "text", new ArrayBuffer(2));
  await a.ask("echo", { _placeholder: true, num: 0 }, [[[Buffer.from([5])]]]);
  await a.ask("echo", ...Array.from({ length: 10 }, (_, i) => Buffer.from([i])));
};

exports.valuesOnTheWire = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(10);
};

exports.everybodyOrAllOthers = async (play) => {
  const a = await play.connect("a");
  const b = await play.connect("b");
  const c = await play.connect("c");
  await a.ask("all");
  await b.ask("others");
  await c.step();
};

exports.roomsAndAllBut = async (play) => {
  for (const [name, rooms] of [["a", ["one"]], ["b", ["two"]], ["c", ["one", "two"]], ["d", ["three"]], ["e", []]]) {
    await play.connect(name, "/", { auth: { rooms } });
  }
  await play.word("tell");
};

exports.operatorsOfASocket = async (play) => {
  const clients = [];
  for (const name of ["a", "b", "c"]) clients.push(await play.connect(name, "/", { auth: { name } }));
  await play.word("tell");
  for (const client of clients) await client.step();
  await play.word("flags");
};

exports.operatorsCanBeKept = async (play) => {
  await play.connect("a", "/", { auth: { room: "one" } });
  await play.connect("b", "/", { auth: { room: "two" } });
  await play.word("tell");
};

exports.toAnEmptyListOfRooms = async (play) => {
  const a = await play.connect("a");
  await play.word("tell");
  await a.step();
};

exports.volatileReachesWhoListens = async (play) => {
  const a = await play.connect("a");
  for (const event of ["one", "all", "room"]) await a.ask(event);
};

exports.volatileBehindAnotherEmit = async (play) => {
  const a = await play.connect("a");
  await a.ask("go");
};

exports.flagsChangeNothingThatIsSeen = async (play) => {
  const a = await play.connect("a");
  await a.got("all flags");
};

exports.emitsAndThenTheEnd = async (play) => {
  const a = await play.connect("a");
  await a.got("four");
  a.emit("go");
  await a.gone();
  await play.saw("disconnect");
};

exports.largeMessages = async (play) => {
  const a = await play.connect("a");
  const [text, data] = await a.got("large");
  play.say("sizes", text.length, data.$bytes.length / 2);
  a.log.entries.pop();
  await a.ask("size", "😀".repeat(40000).slice(0, 70000), Buffer.alloc(300000));
};

exports.emitAfterTheClientHasGone = async (play) => {
  const a = await play.connect("a");
  const b = await play.connect("b");
  a.disconnect();
  await b.got("left");
};

exports.clientThatTriesAgain = async (play) => {
  const a = await play.connect("a", "/", { retries: 3, ackTimeout: 300 });
  const done = await new Promise((resolve) => a.socket.emit("work", 1, (...answer) => resolve(answer)));
  play.say(done);
};

exports.compressedWebsockets = async (play) => {
  const a = await play.connect("a");
  await a.got("to all");
  await a.ask("echo", "z".repeat(5000), Buffer.alloc(2000));
};

exports.answersOfOtherServers = async (play) => {
  const a = await play.connect("a");
  await play.word("ask");
  await a.step();
};

exports.leavingOnesOwnRoom = async (play) => {
  const a = await play.connect("a");
  await a.ask("leave");
};

exports.disconnectedTwice = async (play) => {
  const a = await play.connect("a");
  a.emit("go");
  await a.gone();
  await play.saw("disconnect");
};

exports.moreThanTenAttachments = async (play) => {
  const a = await play.connect("a");
  await a.ask("go", 10);
  a.emit("go", 11, (isSent) => a.log.add("sent", isSent));
  await Promise.race([a.gone(), a.log.saw(["sent"])]);
  if (!a.socket.connected) await play.saw("disconnect");
};
