// Rooms, and what is done to many sockets at once. See rooms.py.
"use strict";

function named(io) {
  const sockets = {};
  io.on("connection", (socket) => { sockets[socket.handshake.auth.name] = socket; });
  return sockets;
}

const shortRooms = (adapter) => [...adapter.rooms.keys()].filter((room) => room.length < 20).sort();
const ownRooms = (socket) => [...socket.rooms].map((room) => (room === socket.id ? "own" : room)).sort();

exports.joiningAndLeaving = (io) => {
  io.on("connection", (socket) => {
    socket.on("join", (room, ack) => {
      socket.join(room);
      ack(ownRooms(socket));
    });
    socket.on("leave", (room, ack) => {
      socket.leave(room);
      ack(ownRooms(socket));
    });
  });
};

exports.eventsOfRooms = (io, app) => {
  const sockets = named(io);
  const { adapter } = io.of("/");
  for (const event of ["create-room", "join-room", "leave-room", "delete-room"]) {
    adapter.on(event, (room, sid) => {
      if (room.length < 20) app.log(event, room, sid);
    });
  }
  app.onWord("act", () => {
    const { a, b } = sockets;
    a.join("one");
    b.join(["one", "two"]);
    a.join("one");
    a.leave("never");
    a.leave("one");
    b.leave("one");
  });
};

exports.roomsAreGoneWithTheirLastMember = (io, app) => {
  const { adapter } = io.of("/");
  io.on("connection", (socket) => {
    socket.join(["both", socket.handshake.auth.name]);
    socket.on("disconnect", () => app.log("disconnect", shortRooms(adapter)));
  });
  app.onWord("rooms", () => shortRooms(adapter));
  app.onWord("size", () => adapter.rooms.get("both")?.size ?? 0);
};

exports.manyJoinAndLeave = (io, app) => {
  io.on("connection", (socket) => {
    socket.join(socket.handshake.auth.room);
    socket.on("rooms", (ack) => ack(ownRooms(socket)));
  });
  app.onWord("act", () => {
    io.in("one").socketsJoin("three");
    io.socketsJoin(["four", "five"]);
    io.socketsLeave("five");
    io.in("four").except("one").socketsLeave("two");
  });
};

exports.socketsAreFetched = (io, app) => {
  io.on("connection", (socket) => {
    socket.data.name = socket.handshake.auth.name;
    socket.join(socket.handshake.auth.room);
  });
  const names = async (whom) => (await whom.fetchSockets()).map((socket) => socket.data.name).sort();
  app.onWord("look", async () => {
    const [remote] = await io.in("one").fetchSockets();
    const ids = await io.in("one").allSockets();
    return [
      await names(io), await names(io.in("one")), await names(io.in("nobody")),
      await names(io.except("one")), await names(io.local), await names(io.to(remote.id)),
      remote.handshake.auth, remote.rooms.has("one"), remote.rooms.has(remote.id), remote.id.length,
      (await io.allSockets()).size, ids.size === 1 && ids.has(remote.id),
    ];
  });
};

exports.fetchedSocketsAreUsed = (io, app) => {
  io.on("connection", (socket) => {
    socket.join(socket.handshake.auth.room);
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.on("rooms", (ack) => ack([...socket.rooms].filter((room) => room.length < 20).sort()));
  });
  app.onWord("act", async () => {
    const [a] = await io.in("one").fetchSockets();
    a.emit("hello", Buffer.from([1]));
    a.join("new");
    a.leave("one");
    return a.timeout(5000).emitWithAck("question");
  });
  app.onWord("kick", async () => {
    const [b] = await io.in("two").fetchSockets();
    b.disconnect();
  });
};

exports.manyAreDisconnected = (io, app) => {
  io.on("connection", (socket) => {
    const { name } = socket.handshake.auth;
    socket.join(["room", name]);
    socket.on("disconnect", (reason) => app.log("disconnect", name, reason));
  });
  app.onWord("room", () => io.in("room").except("b").disconnectSockets());
  app.onWord("all", () => io.disconnectSockets(true));
};

exports.namesOfEventsBetweenServers = (io, app) => {
  const emit = (name) => app.error(() => io.serverSideEmit(name));
  app.onWord("emit", () => app.log(...["connect", "connection", "new_namespace"].map(emit)));
};

exports.sidIsARoom = (io, app) => {
  const sockets = named(io);
  app.onWord("tell", () => {
    const { a, b } = sockets;
    b.join(a.id);
    io.to(a.id).emit("both");
    io.except(a.id).emit("neither");
    a.to(b.id).emit("only b");
    b.leave(a.id);
    io.to(a.id).emit("only a");
  });
};
