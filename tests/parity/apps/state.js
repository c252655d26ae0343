// What a socket knows of itself: its state, handshake and connection. See state.py.
"use strict";

exports.idsAndFlags = (io, app) => {
  const flags = (socket) => [socket.connected, socket.disconnected, socket.id.length, socket.rooms.has(socket.id)];
  io.on("connection", (socket) => {
    app.log("connection", flags(socket), socket.id);
    socket.on("disconnecting", () => app.log("disconnecting", flags(socket)));
    socket.on("disconnect", () => app.log("disconnect", flags(socket)));
  });
  io.use((socket, next) => {
    app.log("middleware", flags(socket));
    next();
  });
};

exports.nothingWasRecovered = (io, app) => {
  io.on("connection", (socket) => app.log("recovered", socket.recovered));
};

exports.dataOfASocket = (io, app) => {
  io.on("connection", (socket) => {
    app.log("at first", { ...socket.data });
    socket.data.count = 0;
    socket.on("count", (ack) => ack(++socket.data.count));
    socket.on("disconnect", () => app.log("data", { ...socket.data }));
  });
};

exports.handshakeOfASocket = (io, app) => {
  io.on("connection", ({ handshake }) => {
    const { "x-custom": custom, cookie, origin } = handshake.headers;
    const { t, transport, ...query } = handshake.query;
    app.log("headers", { "x-custom": custom, cookie, origin });
    app.log("query", { ...query });
    app.log("auth", handshake.auth);
    app.log("address", handshake.address, handshake.secure, handshake.xdomain, handshake.url.split("?")[0]);
    app.log("issued", Math.abs(handshake.issued - Date.now()) < 10000);
  });
};

exports.timeOfTheHandshake = (io, app) => {
  io.on("connection", ({ handshake }) => {
    app.log("time", handshake.time.slice(0, 33).replace(/[A-Z][a-z]{2}/g, "Xxx").replace(/\d/g, "0"));
  });
};

exports.requestOfASocket = (io, app) => {
  io.on("connection", ({ request }) => {
    app.log("request", request.method, request.url.split("?")[0], request.headers["x-custom"]);
  });
};

exports.queryOfTheRequest = (io, app) => {
  io.on("connection", ({ request }) => app.log("_query", request._query.token, request._query.EIO));
};

exports.transportOfASocket = (io) => {
  io.on("connection", (socket) => {
    socket.on("transport", (ack) => ack([socket.conn.transport.name, socket.conn.protocol]));
  });
};

exports.upgradeIsToldOf = (io, app) => {
  io.on("connection", (socket) => {
    app.log("at first", socket.conn.transport.name);
    socket.conn.on("upgrade", (transport) => app.log("upgrade", transport.name));
  });
};

exports.referencesOfASocket = (io, app) => {
  io.on("connection", ({ nsp }) => {
    app.log("nsp", nsp.name, nsp === io.of("/"), nsp === io.sockets, nsp.server === io);
  });
};

exports.clientsAreCounted = (io, app) => {
  io.on("connection", () => app.log("count", io.engine.clientsCount));
  app.onWord("count", () => [io.engine.clientsCount, io.sockets.sockets.size]);
};

exports.handshakeOnTheWire = (io, app) => {
  io.on("connection", () => app.log("connection"));
};

exports.pathsThatAreOurs = (io, app) => {
  io.on("connection", () => app.log("connection"));
};

exports.eventsOfAConnection = (io, app) => {
  io.on("connection", (socket) => {
    const { conn } = socket;
    app.log("state", conn.readyState, conn.remoteAddress, conn.id.length === 20, conn.id === socket.id);
    conn.on("close", (reason) => app.log("close", reason));
    socket.on("disconnect", (reason) => app.log("disconnect", reason, conn.readyState));
  });
};
