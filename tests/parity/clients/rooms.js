// Rooms, and what is done to many sockets at once.
"use strict";

exports.joiningAndLeaving = async (play) => {
  const a = await play.connect("a");
  await a.ask("join", "one");
  await a.ask("join", ["two", "three", "two"]);
  await a.ask("join", []);
  await a.ask("leave", "two");
  await a.ask("leave", "never joined");
};

exports.eventsOfRooms = async (play) => {
  await play.connect("a", "/", { auth: { name: "a" } });
  const b = await play.connect("b", "/", { auth: { name: "b" } });
  await play.word("act");
  b.disconnect();
  await play.saw("delete-room", "two");
};

exports.roomsAreGoneWithTheirLastMember = async (play) => {
  const a = await play.connect("a", "/", { auth: { name: "a" } });
  const b = await play.connect("b", "/", { auth: { name: "b" } });
  play.say(await play.word("rooms"), await play.word("size"));
  a.disconnect();
  await play.saw("disconnect");
  play.say(await play.word("rooms"), await play.word("size"));
  b.disconnect();
  await play.sawTimes(2, "disconnect");
  play.say(await play.word("rooms"), await play.word("size"));
};

exports.manyJoinAndLeave = async (play) => {
  const a = await play.connect("a", "/", { auth: { room: "one" } });
  const b = await play.connect("b", "/", { auth: { room: "two" } });
  await play.word("act");
  await a.ask("rooms");
  await b.ask("rooms");
};

exports.socketsAreFetched = async (play) => {
  await play.connect("a", "/", { auth: { name: "a", room: "one" } });
  await play.connect("b", "/", { auth: { name: "b", room: "two" } });
  play.say(await play.word("look"));
};

exports.fetchedSocketsAreUsed = async (play) => {
  const a = await play.connect("a", "/", { auth: { room: "one" } });
  const b = await play.connect("b", "/", { auth: { room: "two" } });
  a.answer("question", "answer");
  play.say(await play.word("act"));
  await a.ask("rooms");
  await play.word("kick");
  await b.gone();
  await play.saw("disconnect");
};

exports.manyAreDisconnected = async (play) => {
  const clients = [];
  for (const name of ["a", "b", "c"]) clients.push(await play.connect(name, "/", { auth: { name } }));
  await play.word("room");
  await clients[0].gone();
  await clients[2].gone();
  await play.sawTimes(2, "disconnect");
  await play.word("all");
  await clients[1].gone();
  await play.sawTimes(3, "disconnect");
};

exports.namesOfEventsBetweenServers = (play) => play.word("emit");

exports.sidIsARoom = async (play) => {
  await play.connect("a", "/", { auth: { name: "a" } });
  await play.connect("b", "/", { auth: { name: "b" } });
  await play.connect("c", "/", { auth: { name: "c" } });
  await play.word("tell");
};
