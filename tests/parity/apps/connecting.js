// Coming in: CONNECT, auth, middleware, refusals. See connecting.py.
"use strict";

exports.greetingFollowsTheConnect = (io, app) => {
  io.on("connection", (socket) => {
    app.log("connection", socket.id, socket.connected);
    socket.emit("greeting", "first", socket.id);
    socket.emit("greeting", "second");
  });
};

exports.connectComesBeforeConnection = (io, app) => {
  io.on("connection", (socket) => app.log("connection", socket.id));
  io.on("connect", (socket) => app.log("connect", socket.id));
};

exports.authReachesTheHandshake = (io, app) => {
  io.on("connection", (socket) => app.log("auth", socket.handshake.auth));
};

exports.middlewareRunsInOrder = (io, app) => {
  io.use((socket, next) => {
    app.log("first", socket.connected, io.sockets.sockets.size);
    next();
  });
  io.use(async (socket, next) => {
    await null;
    app.log("second", socket.handshake.auth);
    socket.data.seen = "by second";
    next();
  });
  io.on("connection", (socket) => app.log("connection", socket.data.seen));
};

exports.middlewareRefuses = (io, app) => {
  io.use((socket, next) => {
    const { how } = socket.handshake.auth;
    if (how === "text") return next(new Error("go away"));
    if (how === "data") return next(Object.assign(new Error("not you"), { data: { code: 7, é: ["😀", null] } }));
    if (how === "empty") return next(new Error(""));
    next();
  });
  io.use((_socket, next) => {
    app.log("later");
    next();
  });
  io.on("connection", () => app.log("connection"));
};

exports.middlewareOfTheRootIsNotOfOthers = (io, app) => {
  io.use((_socket, next) => next(new Error("closed")));
  io.of("/open").on("connection", () => app.log("open"));
};

exports.unknownNamespaceKeepsTheConnection = (io) => {
  io.on("connection", (socket) => socket.on("echo", (...args) => args.pop()(...args)));
};

exports.namespacesShareAConnection = (io, app) => {
  for (const name of ["/", "/a", "/b"]) {
    io.of(name).on("connection", (socket) => {
      app.log("in", name, socket.id);
      socket.on("who", (ack) => ack([socket.nsp.name, socket.id]));
      socket.on("disconnect", (reason) => app.log("out", name, reason));
    });
  }
};

exports.connectingTwiceEndsTheConnection = (io, app) => {
  io.on("connection", (socket) => {
    app.log("connection");
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};

exports.connectPacketsByHand = (io, app) => {
  io.on("connection", (socket) => app.log("auth", socket.handshake.auth));
};

exports.eventsBeforeTheConnect = (io, app) => {
  io.on("connection", () => app.log("connection"));
};

exports.whoNeverJoinsIsClosed = {
  options: { connectTimeout: 400 },
  serve(io, app) {
    io.on("connection", () => app.log("connection"));
  },
};

exports.clientThatLeavesWhileItIsAskedAbout = (io, app) => {
  let go;
  const gone = new Promise((resolve) => { go = resolve; });
  io.use(async (socket, next) => {
    socket.join("early");
    app.log("asked");
    await gone;
    app.log("let in", socket.connected);
    next();
  });
  io.on("connection", () => app.log("connection"));
  app.onWord("go", () => go());
  app.onWord("rooms", () => [...io.of("/").adapter.rooms.keys()].filter((room) => room.length < 20));
};

exports.joinInAMiddleware = (io, app) => {
  io.use((socket, next) => {
    socket.join("early");
    next(socket.handshake.auth.refuse ? new Error("no") : undefined);
  });
  io.on("connection", (socket) => app.log("rooms", socket.rooms, socket.id));
  app.onWord("rooms", () => [...io.of("/").adapter.rooms.keys()].filter((room) => room.length < 20));
  app.onWord("tell", () => void io.to("early").emit("told", 1));
};

exports.refusedClientTriesAgain = (io, app) => {
  io.use((socket, next) => next(socket.handshake.auth.token === "right" ? undefined : new Error("wrong token")));
  io.on("connection", (socket) => app.log("connection", socket.handshake.auth));
};

exports.leavingAndComingAgain = (io, app) => {
  io.on("connection", (socket) => {
    app.log("connection", socket.id);
    socket.on("disconnect", (reason) => app.log("disconnect", reason, socket.id));
  });
};

exports.middlewareAddedLaterIsForLaterClients = (io, app) => {
  app.onWord("add", () => void io.use((_socket, next) => {
    app.log("late");
    next();
  }));
  io.on("connection", () => app.log("connection"));
};

exports.disconnectedInTheConnectionHandler = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.emit("last", "words");
    socket.disconnect();
    socket.emit("never", 1);
    app.log("connected", socket.connected, socket.disconnected, socket.rooms);
  });
};

exports.middlewareThatNeverAnswers = (io, app) => {
  io.use(() => app.log("asked"));
  io.on("connection", () => app.log("connection"));
};

exports.middlewareThatAnswersTwice = (io, app) => {
  io.use((_socket, next) => {
    next();
    next(new Error("too late"));
  });
  io.on("connection", () => app.log("connection"));
};

exports.connectionHandlerThatRaises = (io) => {
  io.on("connection", (socket) => {
    socket.on("echo", (...args) => args.pop()(...args));
    throw new Error("this handler fails");
  });
};

exports.severalConnectionHandlers = (io, app) => {
  io.on("connection", (socket) => app.log("first", socket.id));
  io.on("connection", async (socket) => app.log("second", socket.id));
  io.once("connection", (socket) => app.log("once", socket.id));
};

exports.queriesOfTheHandshake = (io, app) => {
  io.on("connection", (socket) => {
    const { transport, ...query } = socket.handshake.query;
    app.log("query", { ...query });
  });
};
