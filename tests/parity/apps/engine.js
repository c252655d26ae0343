// The engine beneath: requests, headers, transports, options. See engine.py.
"use strict";

const ORIGIN = "http://good.example";

function greets(io, app) {
  io.on("connection", (socket) => {
    app.log("connection");
    socket.on("echo", (...args) => args.pop()(...args));
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
}

exports.requestsThatAreRefused = (io, app) => {
  io.engine.on("connection_error", ({ code, message, context }) => {
    app.log("connection_error", code, message, Object.values(context));
  });
  greets(io, app);
};

exports.transportThatIsOff = { options: { transports: ["polling"] }, serve: greets };

exports.upgradesThatAreRefused = (io, app) => {
  io.engine.on("connection_error", ({ code, message }) => app.log("refused", code, message));
  greets(io, app);
};

exports.headersOfPolling = greets;

exports.headersThatListenersAdd = (io, app) => {
  io.engine.on("initial_headers", (headers, request) => {
    headers["x-initial"] = "one";
    app.log("initial_headers", request.method);
  });
  io.engine.on("headers", (headers, request) => {
    headers["x-every"] = "two";
    app.log("headers", request.method);
  });
};

exports.cookieOfTheHandshake = { options: { cookie: true }, serve: greets };

const cors = (options) => ({ options: { cors: options }, serve: greets });
exports.originsOfAList = cors({ origin: [ORIGIN, "http://also.example"], credentials: true });
exports.anyOrigin = cors({ origin: "*" });
exports.noOriginIsNamed = greets;

exports.requestsAreAskedAbout = {
  options: { allowRequest: (request, answer) => answer(null, !("no" in request._query)) },
  serve(io, app) {
    io.engine.on("connection_error", ({ code, message }) => app.log("refused", code, message));
    greets(io, app);
  },
};

exports.middlewareOfTheEngine = (io, app) => {
  io.engine.use((request, response, next) => {
    app.log("middleware", request.method, "sid" in request._query);
    response.setHeader("x-middleware", "yes");
    next(request.headers["x-refuse"] ? new Error("no") : undefined);
  });
  greets(io, app);
};

exports.bundleIsServed = { options: { serveClient: true }, serve: greets };
exports.bundleIsNotServed = { options: { serveClient: false }, serve: greets };

exports.idsOfTheApplication = (io, app) => {
  io.engine.generateId = (request) => `id-of-${request._query.who}`;
  greets(io, app);
};

exports.upgradesAreOff = { options: { allowUpgrades: false }, serve: greets };

exports.upgradeByHand = (io, app) => {
  io.on("connection", (socket) => {
    app.log("connection");
    socket.on("go", () => {
      for (let i = 0; i < 3; i++) socket.emit("tick", i);
    });
  });
};

exports.upgradeThatIsNotFinished = { options: { upgradeTimeout: 100 }, serve: greets };

exports.payloadsByHand = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("echo", (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : () => {};
      app.log("echo", args);
      ack(...args);
    });
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};

exports.binaryAsBase64 = (io, app) => {
  io.on("connection", (socket) => {
    socket.emit("bytes", Buffer.from([1, 2, 3]));
    socket.on("echo", (...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : () => {};
      app.log("echo", args);
      ack(...args);
    });
  });
};

exports.answersAreCompressed = {
  options: { httpCompression: { threshold: 100 } },
  serve(io) {
    io.on("connection", (socket) => socket.emit("large", "x".repeat(500)));
  },
};

exports.limitIsToldToClients = { options: { maxHttpBufferSize: 500 }, serve: greets };
