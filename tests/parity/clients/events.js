// Events and who listens to them.
"use strict";

exports.severalListenersOfAnEvent = async (play) => {
  const a = await play.connect("a");
  a.emit("x", 1).emit("x", 2, "two").emit("x");
  await a.ask("end");
};

exports.listenersAreTakenOff = async (play) => {
  const a = await play.connect("a");
  a.emit("x", 1).emit("y", 1);
  await a.ask("count");
  await a.ask("off one");
  a.emit("x", 2).emit("y", 2);
  await a.ask("count");
  await a.ask("off x");
  a.emit("x", 3).emit("y", 3);
  await a.ask("count");
};

exports.listenerTakesItselfOff = async (play) => {
  const a = await play.connect("a");
  a.emit("x", 1).emit("x", 2);
  await a.ask("end");
};

exports.sendIsAnEventCalledMessage = async (play) => {
  const a = await play.connect("a");
  const b = await play.connect("b");
  a.socket.send("hello", 1, Buffer.from([0, 255]));
  await a.got("message", 2);
  await b.got("message");
  a.socket.send();
  await b.got("message", 2);
};

exports.onAnyComesBeforeListeners = async (play) => {
  const a = await play.connect("a");
  for (const args of [["x", 1, "é"], ["nobody listens", [null]], ["x", Buffer.from([1])]]) {
    a.emit(...args);
    await a.step();
  }
};

exports.onAnyIsTakenOff = async (play) => {
  const a = await play.connect("a");
  a.emit("x");
  await a.ask("off");
  a.emit("y");
  await a.ask("count");
  await a.ask("off all");
  a.emit("z");
  await a.ask("count");
};

exports.onAnyOutgoingSeesWhatIsSent = async (play) => {
  const a = await play.connect("a");
  await a.ask("go");
  await a.got("to my id");
  await a.ask("off");
  await a.ask("go");
};

exports.socketUseLetsPassOrBlocks = async (play) => {
  const a = await play.connect("a");
  for (const args of [["good", 1, [2]], ["bad", 3], ["good", "again"]]) {
    a.emit(...args);
    await a.step();
  }
};

exports.reservedNamesCanNotBeEmitted = async (play) => {
  const a = await play.connect("a");
  await a.got("error");
};

exports.reservedNamesFromAClient = async (play) => {
  for (const name of ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]) {
    const client = await play.raw(name);
    client.send("40");
    await client.packets(1);
    client.send(`42["${name}","forged"]`);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
  const last = await play.raw("z");
  last.send("40");
  await last.packets(1);
  last.send('42["connection",1]', '42["error",2]', "40/nowhere,");
  await last.packets(2);
};

exports.namesOfEvents = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  a.send('42["",1]', '42[5,"x"]', '42[-1.5]', '42["é😀"]', '42["a b\\nc"]', "40/nowhere,");
  await a.packets(2);
  for (const packet of ["42[true]", "42[null]", "42[{}]", "42[]", "42{}", '42"x"']) {
    const client = await play.raw(packet);
    client.send("40");
    await client.packets(1);
    client.send(packet);
    await client.closed();
  }
};

exports.errorEventOfAMalformedPacket = async (play) => {
  for (const packet of ["4abc", "42[", "49", '42["a"]x', "451-[", '450-["a"]', '4511-["a"]', "43{}", '41"x"', Buffer.from([1])]) {
    const client = await play.raw(String(play.clients.length));
    client.send("40");
    await client.packets(1);
    client.send(packet);
    await client.closed();
    await play.sawTimes(play.clients.length, "disconnect");
  }
};

exports.eventsAreHandledInOrder = async (play) => {
  const a = await play.connect("a");
  for (let i = 0; i < 40; i++) a.emit("tick", i);
  await a.ask("seen");
  await a.ask("flood", 40);
  await a.got("tock", 40);
};

exports.handlerThatRaises = async (play) => {
  const a = await play.connect("a");
  a.emit("fails").emit("fails", () => a.log.add("an ack of a failed handler"));
  await a.ask("works");
};

exports.coroutineHandlers = async (play) => {
  const a = await play.connect("a");
  await a.ask("slow", 1);
  await a.ask("slow", 2);
};

exports.roomsWhileDisconnecting = async (play) => {
  const a = await play.connect("a");
  a.disconnect();
  await play.saw("disconnect");
};

exports.missingAndExtraArguments = async (play) => {
  const a = await play.connect("a");
  await a.ask("two", 1);
  await a.ask("two", 1, 2, 3);
  await a.ask("none", 1, Buffer.from([1]));
};

exports.eventWithoutAListener = async (play) => {
  const a = await play.connect("a");
  a.emit("unknown", () => a.log.add("an ack of nobody"));
  await a.ask("known");
};

exports.socketsHaveListenersOfTheirOwn = async (play) => {
  const a = await play.connect("a", "/", { auth: { name: "a" } });
  const b = await play.connect("b", "/", { auth: { name: "b" } });
  a.emit("x");
  await a.ask("end");
  b.emit("x").emit("y");
  await b.ask("end");
};

exports.valuesFromAClient = async (play) => {
  const a = await play.raw("a");
  a.send("40");
  await a.packets(1);
  const texts = ["1e400", "-1e400", "-0", "1E5", "1e-400", '"\\ud800"', '"\\u0000\\u001f\\u007f"', '{"a":1,"a":2}', '{"__proto__":1}',
    '  [ 1 , {"a" : [ ] } ]  ', '"\\/"', "[[[[[[[[[[1]]]]]]]]]]", "123456789012345678", "true,false,null", '"é\\u00e9"', "0.1", "-5"];
  for (const [id, text] of texts.entries()) a.send(`42${id}["echo",${text}]`);
  await a.packets(1 + texts.length);
  for (const text of ["NaN", "01", "+1", "1.", ".5", "'a'", '"a\nb"', "[1,]", "{a:1}", "undefined", "Infinity", '"\\x41"']) {
    const client = await play.raw(text);
    client.send("40");
    await client.packets(1);
    client.send(`420["echo",${text}]`);
    await Promise.race([client.packets(2), client.closed()]);
  }
};
