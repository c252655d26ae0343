// How connections end, and what each side is told. See leaving.py.
"use strict";

const QUICK_PINGS = { pingInterval: 200, pingTimeout: 400 };

// Logs what sockets are told of their end.
function tells(io, app, ...names) {
  for (const name of names.length ? names : ["/"]) {
    io.of(name).on("connection", (socket) => {
      app.log("in", name);
      socket.join("room");
      socket.on("disconnecting", (reason) => app.log("disconnecting", name, reason, socket.rooms.has("room")));
      socket.on("disconnect", (reason) => app.log("disconnect", name, reason, socket.rooms.size));
      socket.on("leave", () => socket.disconnect());
      socket.on("leave all", () => socket.disconnect(true));
      socket.on("echo", (...args) => args.pop()(...args));
    });
  }
}

const simple = (...names) => (io, app) => tells(io, app, ...names);

exports.clientLeaves = simple("/", "/a");
exports.serverKicksFromANamespace = simple("/", "/a");
exports.serverKicksFromAllNamespaces = simple("/", "/a");
exports.websocketIsCut = simple();
exports.websocketIsClosed = simple();
exports.pollingClientSaysGoodbye = simple();
exports.getsThatOverlap = simple();
exports.enginePacketsThatAreNone = simple();
exports.socketPacketsThatAreNone = simple();
exports.pingThatIsNotAnswered = { options: QUICK_PINGS, serve: simple() };
exports.pingsKeepAClient = { options: QUICK_PINGS, serve: simple() };
exports.messagesThatAreTooLarge = { options: { maxHttpBufferSize: 1000 }, serve: simple() };

exports.serverShutsDown = (io, app) => {
  tells(io, app, "/", "/a");
  app.onWord("close", app.close);
};

exports.clientComesBackAfterARestart = simple();
exports.kickedClientDoesNotComeBack = simple();

exports.connectionIsClosedBelow = (io, app) => {
  const sockets = [];
  io.on("connection", (socket) => sockets.push(socket));
  tells(io, app);
  app.onWord("close", () => void sockets[0].conn.close());
};

exports.leavingOnTheWire = simple("/", "/a");

exports.kickedWhilePolling = simple();
exports.wrongPacketsWhilePolling = simple();
exports.enginePacketsOnAWebsocket = simple();
exports.postsThatAreWrong = simple();
exports.pollThatIsCutOff = simple();
