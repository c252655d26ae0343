// Namespaces, also those that are made for a client. See namespaces.py.
"use strict";

// Logs who comes and goes.
function says(nsp, app) {
  nsp.on("connection", (socket) => {
    app.log("in", socket.nsp.name);
    socket.on("where", (ack) => ack(socket.nsp.name));
    socket.on("all", (ack) => {
      socket.nsp.emit("all", socket.nsp.name);
      ack();
    });
    socket.on("disconnect", (reason) => app.log("out", socket.nsp.name, reason));
  });
}

const barrier = (parent) => parent.on("connection", (socket) => socket.on("sync~", (ack) => ack()));

exports.nameWithoutASlash = (io, app) => {
  says(io.of("chat"), app);
  io.of("/other", (socket) => app.log("in other", socket.nsp.name));
  app.onWord("names", () => [io.of("chat").name, io.of("/chat") === io.of("chat")]);
};

exports.namespacesAreApart = (io, app) => {
  for (const name of ["/", "/a", "/b"]) {
    const nsp = io.of(name);
    says(nsp, app);
    nsp.on("connection", (socket) => socket.join("room"));
  }
  app.onWord("tell", () => {
    io.emit("to /");
    io.of("/a").emit("to /a");
    io.of("/a").to("room").emit("to a room of /a");
    io.of("/b").except("room").emit("to nobody");
  });
};

exports.socketsOfANamespace = (io, app) => {
  const nsp = io.of("/a");
  nsp.on("connection", (socket) => {
    app.log(nsp.name, nsp.sockets.size, nsp.sockets.get(socket.id) === socket);
    socket.on("disconnect", (reason) => app.log(reason, nsp.sockets.size));
  });
  app.onWord("count", () => [io.of("/a").sockets.size, io.sockets.sockets.size]);
};

exports.newNamespacesAreToldOf = (io, app) => {
  io.on("new_namespace", (nsp) => app.log("new", nsp.name));
  app.onWord("make", () => ["/a", "/a", "b", "/"].map((name) => io.of(name).name));
};

exports.namespacesByAPattern = (io, app) => {
  const parent = io.of(/^\/dynamic-\d+$/);
  says(parent, app);
  barrier(parent);
  io.on("new_namespace", (nsp) => app.log("new", nsp.name));
};

exports.namespacesByAFunction = (io, app) => {
  const parent = io.of((name, auth, next) => {
    app.log("asked", name, auth);
    if (name === "/broken") next(new Error("broken"), true);
    else next(null, name.startsWith("/ok"));
  });
  says(parent, app);
  barrier(parent);
};

exports.firstOfSeveralPatterns = (io, app) => {
  [/^\/a/, /^\/ab/, /^\/b/].forEach((pattern, number) => {
    const parent = io.of(pattern);
    barrier(parent);
    parent.on("connection", (socket) => app.log(number, socket.nsp.name));
  });
};

exports.parentReachesItsChildren = (io, app) => {
  const parent = io.of(/^\/room-\w$/);
  barrier(parent);
  parent.use((socket, next) => {
    app.log("middleware", socket.nsp.name);
    next(socket.handshake.auth.refuse ? new Error("no") : undefined);
  });
  parent.on("connection", (socket) => socket.join("room"));
  app.onWord("tell", () => {
    parent.emit("to all", 1, Buffer.from([1]));
    parent.to("room").emit("to a room");
  });
};

exports.emptyChildrenAreForgotten = {
  options: { cleanupEmptyChildNamespaces: true },
  serve(io, app) {
    const parent = io.of(/^\/room-\w$/);
    says(parent, app);
    barrier(parent);
    io.on("new_namespace", (nsp) => app.log("new", nsp.name));
  },
};

exports.queryInTheName = (io, app) => says(io.of("/a"), app);

exports.namespaceThatIsMadeByCode = (io, app) => {
  const parent = io.of(/^\/room-\w$/);
  says(parent, app);
  barrier(parent);
  app.onWord("make", () => {
    const nsp = io.of("/room-a");
    nsp.on("connection", () => app.log("listener of its own"));
    return nsp.name;
  });
  app.onWord("tell", () => void parent.emit("to all children"));
};

exports.middlewareOfAParentThatComesLate = (io, app) => {
  const parent = io.of(/^\/room-\w$/);
  barrier(parent);
  app.onWord("add", () => void parent.use((socket, next) => {
    app.log("late", socket.nsp.name);
    next();
  }));
};

exports.childWhoseOnlyClientIsRefused = {
  options: { cleanupEmptyChildNamespaces: true },
  serve(io, app) {
    io.of(/^\/room-\w$/).use((_socket, next) => next(new Error("no")));
    io.on("new_namespace", (nsp) => app.log("new", nsp.name));
  },
};

exports.parentWithoutSocketsOfItsOwn = (io, app) => {
  const parent = io.of(/^\/room-\w$/);
  app.onWord("fetch", async () => {
    try {
      return await parent.fetchSockets();
    } catch (error) {
      return error instanceof Error;
    }
  });
};
