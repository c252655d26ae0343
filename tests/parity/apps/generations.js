// Clients of the second generation: Engine.IO 3 and Socket.IO's protocol 4. See generations.py.
"use strict";

function serve(io, app) {
  for (const name of ["/", "/a"]) {
    io.of(name).on("connection", (socket) => {
      app.log("in", name, socket.id.length, { ...socket.handshake.auth });
      const answering = (fn) => (...args) => {
        const ack = typeof args.at(-1) === "function" ? args.pop() : () => {};
        ack(...fn(...args));
      };
      socket.on("echo", answering((...args) => args));
      socket.on("bounce", answering((...args) => (socket.emit("bounced", ...args), [])));
      socket.on("ask", answering((event) => (
        socket.emit(event, Buffer.from([1]), (...answer) => app.log("answer", answer)), [])));
      socket.on("all", answering(() => (io.emit("to all", "é", Buffer.from([1, 2])), [])));
      socket.on("leave", () => socket.disconnect());
      socket.on("disconnect", (reason) => app.log("out", name, reason));
    });
  }
}

const old = (fn) => ({ options: { allowEIO3: true }, serve: fn });

exports.client202 = old(serve);
exports.client250 = old(serve);
exports.namespacesOfAnOldClient = old(serve);
exports.refusalsOfAnOldClient = old((io, app) => {
  serve(io, app);
  io.of("/text").use((_socket, next) => next(new Error("go away")));
  io.of("/data").use((_socket, next) => next(Object.assign(new Error("not you"), { data: { code: 7 } })));
});
exports.oldAndNewClientsTogether = old(serve);
exports.oldPayloadsByHand = old(serve);
exports.oldWebsocketByHand = old(serve);
exports.jsonpByHand = old(serve);
exports.oldClientsAreRefused = serve;
exports.packetsAsMsgpack = { options: { parser: require("socket.io-msgpack-parser") }, serve };
