// Events and who listens to them. See events.py.
"use strict";

const RESERVED = ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

exports.severalListenersOfAnEvent = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("x", (...args) => app.log("first", args));
    socket.on("x", (...args) => app.log("second", args));
    socket.prependListener("x", (...args) => app.log("prepended", args));
    socket.once("x", (...args) => app.log("once", args));
    socket.on("end", (ack) => ack("end"));
  });
};

exports.listenersAreTakenOff = (io, app) => {
  io.on("connection", (socket) => {
    const one = (...args) => app.log("one", args);
    const two = (...args) => app.log("two", args);
    socket.on("x", one);
    socket.on("x", two);
    socket.on("x", one);
    socket.on("y", two);
    socket.on("count", (ack) => ack([socket.listenerCount("x"), socket.listeners("y").length]));
    socket.on("off one", (ack) => {
      socket.off("x", one);
      ack();
    });
    socket.on("off x", (ack) => {
      socket.removeAllListeners("x");
      ack();
    });
  });
};

exports.listenerTakesItselfOff = (io, app) => {
  io.on("connection", (socket) => {
    function itself(...args) {
      app.log("itself", args);
      socket.off("x", itself);
    }
    socket.on("x", itself);
    socket.on("x", (...args) => app.log("other", args));
    socket.on("end", (ack) => ack());
  });
};

exports.sendIsAnEventCalledMessage = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("message", (...args) => {
      app.log("message", args);
      socket.send("back", ...args);
      io.send("to all");
    });
  });
};

exports.onAnyComesBeforeListeners = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("x", (...args) => app.log("listener", args));
    socket.onAny((event, ...args) => app.log("any", event, args));
    socket.prependAny((event, ...args) => app.log("prepended any", event, args));
  });
};

exports.onAnyIsTakenOff = (io, app) => {
  io.on("connection", (socket) => {
    const one = (event) => app.log("one", event);
    const two = (event) => app.log("two", event);
    socket.onAny(one);
    socket.onAny(two);
    socket.on("off", (ack) => {
      socket.offAny(one);
      ack();
    });
    socket.on("off all", (ack) => {
      socket.offAny();
      ack();
    });
    socket.on("count", (ack) => ack(socket.listenersAny().length));
  });
};

exports.onAnyOutgoingSeesWhatIsSent = (io, app) => {
  io.on("connection", (socket) => {
    socket.onAnyOutgoing((event, ...args) => app.log("out", event, args));
    socket.prependAnyOutgoing((event, ...args) => app.log("first out", event, args));
    socket.on("go", (ack) => {
      socket.emit("direct", 1, [2]);
      io.emit("to all", Buffer.from([1]));
      socket.broadcast.emit("not to me");
      io.to(socket.id).emit("to my id");
      ack("an ack is no event");
    });
    socket.on("off", (ack) => {
      socket.offAnyOutgoing();
      ack();
    });
  });
};

exports.socketUseLetsPassOrBlocks = (io, app) => {
  io.on("connection", (socket) => {
    socket.use(([event, ...args], next) => {
      app.log("first", event, args);
      next(event === "bad" ? new Error("blocked") : undefined);
    });
    socket.use(([event], next) => {
      app.log("second", event);
      next();
    });
    socket.onAny((event) => app.log("any", event));
    socket.on("good", (...args) => app.log("good", args));
    socket.on("bad", (...args) => app.log("bad", args));
    socket.on("error", (error) => app.log("error", error));
  });
};

exports.reservedNamesCanNotBeEmitted = (io, app) => {
  io.on("connection", (socket) => {
    for (const name of RESERVED) {
      app.log(name, app.error(() => void socket.emit(name)));
      app.log(name, app.error(() => void io.emit(name)));
    }
    socket.emit("connection", "may be sent");
    socket.emit("error", "may be sent too");
  });
};

exports.reservedNamesFromAClient = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.on("error", (error) => app.log("error", error instanceof Error));
    socket.on("connection", (...args) => app.log("connection", args));
  });
};

exports.namesOfEvents = (io, app) => {
  io.on("connection", (socket) => {
    socket.onAny((event, ...args) => app.log("any", String(event), args));
  });
};

exports.errorEventOfAMalformedPacket = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("error", (error) => app.log("error", error instanceof Error));
    socket.on("disconnecting", (reason) => app.log("disconnecting", reason));
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};

exports.eventsAreHandledInOrder = (io) => {
  io.on("connection", (socket) => {
    const seen = [];
    socket.on("tick", (i) => seen.push(i));
    socket.on("seen", (ack) => ack(seen));
    socket.on("flood", (n, ack) => {
      for (let i = 0; i < n; i++) socket.emit("tock", i);
      ack(n);
    });
  });
};

exports.handlerThatRaises = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("fails", () => {
      app.log("fails");
      throw new Error("this handler fails");
    });
    socket.on("works", (ack) => ack("works"));
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};

exports.coroutineHandlers = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("slow", async (n, ack) => {
      app.log("begins", n);
      await null;
      app.log("ends", n);
      ack(n * 2);
    });
  });
};

exports.roomsWhileDisconnecting = (io, app) => {
  io.on("connection", (socket) => {
    socket.join(["one", "two"]);
    socket.on("disconnecting", (reason) => app.log("disconnecting", reason, socket.rooms, socket.connected));
    socket.on("disconnect", (reason) => app.log("disconnect", reason, socket.rooms, socket.connected));
  });
};

exports.missingAndExtraArguments = (io) => {
  io.on("connection", (socket) => {
    const answering = (fn) => (...args) => args.pop()(fn(...args));
    socket.on("two", answering((a, b) => [a, b]));
    socket.on("none", answering(() => "none"));
  });
};

exports.eventWithoutAListener = (io) => {
  io.on("connection", (socket) => socket.on("known", (ack) => ack("known")));
};

exports.socketsHaveListenersOfTheirOwn = (io, app) => {
  io.on("connection", (socket) => {
    const { name } = socket.handshake.auth;
    if (name === "a") socket.on("x", () => app.log("a heard x"));
    socket.on("y", () => app.log(name, "heard y"));
    socket.on("end", (ack) => ack());
  });
};

exports.valuesFromAClient = (io) => {
  io.on("connection", (socket) => socket.on("echo", (...args) => args.pop()(...args)));
};
