// Connection state recovery. See recovery.py.
"use strict";

// Logs who comes, with what they have; words to send with.
function serve(io, app) {
  io.use((_socket, next) => {
    app.log("middleware");
    next();
  });
  io.on("connection", (socket) => {
    const rooms = [...socket.rooms].filter((room) => room.length < 20).sort();
    app.log("connection", socket.recovered, socket.id, rooms, { ...socket.data });
    if (!socket.recovered) {
      socket.join("room");
      socket.data.n = 1;
    }
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.on("leave", () => socket.disconnect());
    socket.emit("hello", 1);
  });
  app.onWord("missed", () => {
    io.emit("to all", "text");
    io.to("room").emit("to the room", Buffer.from([1, 2]), { deep: [Buffer.from([3])] });
    io.to("other").emit("to another room");
    io.except("room").emit("to all but the room");
    io.volatile.emit("volatile");
  });
  app.onWord("tell", () => void io.emit("now"));
}

const keeping = (options) => ({ options: { connectionStateRecovery: options }, serve });
const KEEP = { maxDisconnectionDuration: 60000 };

exports.missedEventsAreSentAgain = keeping(KEEP);
exports.recoveredClientIsAskedAbout = keeping({ ...KEEP, skipMiddlewares: false });
exports.whoLeftIsNotRecovered = keeping(KEEP);
exports.recoveryThatComesTooLate = keeping({ maxDisconnectionDuration: 50 });
exports.recoveryOnTheWire = keeping(KEEP);
exports.recoveryOfWhatIsUnknown = keeping(KEEP);

exports.recoveryInANamespace = {
  options: { connectionStateRecovery: KEEP },
  serve(io, app) {
    const nsp = io.of("/a");
    nsp.on("connection", (socket) => {
      app.log("connection", socket.recovered, socket.id);
      socket.on("disconnect", (reason) => app.log("disconnect", reason));
      socket.emit("hello", 1);
    });
    app.onWord("missed", () => {
      nsp.emit("with bytes", Buffer.from([1]));
      nsp.timeout(5000).emit("with an ack", () => {});
      io.emit("in another namespace");
      nsp.emit("last");
    });
  },
};

exports.recoveryOfWhoPolls = keeping(KEEP);
