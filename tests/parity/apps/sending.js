// Emits, acknowledgements and flags. See sending.py.
"use strict";

const bytes = (...values) => Buffer.from(values);

exports.acksOfTheServer = (io) => {
  io.on("connection", (socket) => {
    socket.on("nothing", (ack) => ack());
    socket.on("null", (ack) => ack(null));
    socket.on("one", (ack) => ack({ a: [1, "é"] }));
    socket.on("several", (ack) => ack(1, "two", [3], null));
    socket.on("bytes", (ack) => ack(bytes(0, 255), { deep: [bytes(1)] }));
    socket.on("echo", (...args) => args.pop()(...args));
  });
};

exports.ackIsSentOnce = (io) => {
  io.on("connection", (socket) => {
    socket.on("twice", (ack) => {
      ack("first");
      ack("second");
    });
    socket.on("later", (ack) => setImmediate(ack, "later"));
    socket.on("never", () => {});
  });
};

exports.acksOnTheWire = (io) => {
  io.on("connection", (socket) => {
    socket.on("echo", (...args) => {
      if (typeof args.at(-1) === "function") args.pop()(...args);
    });
    socket.on("bytes", (ack) => ack(bytes(1, 2)));
  });
};

exports.serverAsksAClient = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("ask", (event) => socket.emit(event, 1, [2], (...args) => app.log("answer", event, args)));
  });
};

exports.serverAwaitsAnAnswer = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("ask", async (event) => app.log("answer", event, await socket.emitWithAck(event, "x", bytes(5))));
  });
};

exports.askingOnTheWire = (io, app) => {
  io.on("connection", (socket) => {
    socket.emit("first", (...args) => app.log("first", args));
    socket.emit("second", 1, (...args) => app.log("second", args));
    socket.on("bytes", () => socket.emit("b", bytes(1), (...args) => app.log("b", args)));
  });
};

exports.answerThatDoesNotCome = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("callback", (event) => socket.timeout(50).emit(event, (...args) => app.log("callback", args)));
    socket.on("await", async (event, ack) => {
      try {
        ack(await socket.timeout(50).emitWithAck(event));
      } catch (error) {
        ack(["error", error.message]);
      }
    });
  });
};

exports.answerInTime = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("go", async (ack) => {
      socket.timeout(5000).emit("quick", (...args) => app.log("callback", args));
      ack(await socket.timeout(5000).emitWithAck("quick", 1));
    });
  });
};

exports.broadcastThatAllAnswer = (io, app) => {
  io.on("connection", (socket) => socket.join("room"));
  app.onWord("ask", async (room) => {
    const whom = room ? io.to(room) : io;
    const answers = await whom.timeout(5000).emitWithAck("question", "x");
    whom.timeout(5000).emit("again", (...args) => app.log("callback", args));
    return answers.map(String).sort();
  });
};

exports.broadcastThatSomeAnswer = (io, app) => {
  app.onWord("ask", async () => {
    io.timeout(400).emit("question", (error, answers) => app.log("callback", error, answers));
    try {
      return await io.timeout(400).emitWithAck("question");
    } catch (error) {
      return ["error", error.message, error.responses];
    }
  });
};

exports.broadcastThatNobodyGets = (io, app) => {
  app.onWord("ask", async () => {
    const answers = await io.to("nobody is here").timeout(5000).emitWithAck("question");
    return [answers, await io.except("x").timeout(5000).emitWithAck("question")];
  });
};

exports.broadcastWithAcksAndNoTimeout = (io, app) => {
  app.onWord("ask", () => void io.emit("question", (error, answers) => app.log("answered", error, answers)));
};

exports.askedClientThatGoes = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("go", async (ack) => {
      ack();
      app.log("answer", await socket.emitWithAck("question"));
    });
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};

exports.bytesWhereverTheyAre = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("echo", (...args) => {
      const ack = args.pop();
      app.log("echo", args);
      socket.emit("echo", ...args);
      ack(...args);
    });
    socket.emit("made", bytes(1), { a: [bytes(), { b: new Uint8Array([255]) }], c: Buffer.from("mv") });
  });
};

exports.valuesOnTheWire = (io) => {
  io.on("connection", (socket) => {
    socket.emit("none");
    socket.emit("null", null, [null]);
    socket.emit("text", "é😀\u2028/\"\\\n\x01", "");
    socket.emit("numbers", 0, -1, 1.5, 1e21, 1e-7, 2 ** 53, 1.0, 0.1);
    socket.emit("nan", NaN, Infinity);
    socket.emit("deep", { a: [{ b: {} }], "": [], one: true });
    socket.emit("bytes", { x: bytes(1) }, bytes(2));
  });
};

exports.everybodyOrAllOthers = (io) => {
  io.on("connection", (socket) => {
    socket.on("all", (ack) => ack(...(io.emit("all", socket.id), [])));
    socket.on("others", (ack) => ack(...(socket.broadcast.emit("others", 1, bytes(1)), [])));
  });
};

exports.roomsAndAllBut = (io, app) => {
  io.on("connection", (socket) => socket.join(socket.handshake.auth.rooms));
  app.onWord("tell", () => {
    io.to("one").emit("one");
    io.in("one").to("two").emit("one or two");
    io.to(["one", "two"]).emit("a list");
    io.except("one").emit("not one");
    io.to("two").except("one").emit("two but not one");
    io.except(["one", "three"]).emit("neither one nor three");
    io.to("nobody").emit("nobody");
  });
};

exports.operatorsOfASocket = (io, app) => {
  const sockets = {};
  io.on("connection", (socket) => {
    sockets[socket.handshake.auth.name] = socket;
    socket.join("room");
  });
  app.onWord("tell", () => {
    const { a, b } = sockets;
    a.to("room").emit("to the room");
    a.in("room").emit("in the room");
    a.to(b.id).emit("to b");
    a.to(a.id).emit("to itself");
    a.except(b.id).emit("all but b");
    a.broadcast.to("room").except(b.id).emit("broadcast");
    a.local.emit("local");
  });
  app.onWord("flags", () => void sockets.a.compress(false).broadcast.emit("flags"));
};

exports.operatorsCanBeKept = (io, app) => {
  io.on("connection", (socket) => socket.join(socket.handshake.auth.room));
  app.onWord("tell", () => {
    const one = io.to("one");
    const both = one.to("two");
    one.emit("one");
    both.emit("both");
    one.emit("one again");
    both.except("one").emit("both but one");
    both.emit("both again");
  });
};

exports.toAnEmptyListOfRooms = (io, app) => {
  app.onWord("tell", () => void io.to([]).emit("whom"));
};

exports.volatileReachesWhoListens = (io) => {
  io.on("connection", (socket) => {
    socket.on("one", (ack) => ack(...(socket.volatile.emit("to one", 1), [])));
    socket.on("all", (ack) => ack(...(io.volatile.emit("to all", bytes(1)), [])));
    socket.on("room", (ack) => ack(...(io.to(socket.id).volatile.emit("to a room"), [])));
  });
};

exports.volatileBehindAnotherEmit = (io) => {
  io.on("connection", (socket) => {
    socket.on("go", (ack) => {
      socket.emit("first");
      socket.volatile.emit("volatile");
      socket.emit("last");
      ack();
    });
  });
};

exports.flagsChangeNothingThatIsSeen = (io) => {
  io.on("connection", (socket) => {
    socket.compress(true).emit("compressed", "x".repeat(2000));
    socket.compress(false).emit("not compressed", "x".repeat(2000));
    io.local.emit("local");
    io.compress(true).local.to(socket.id).emit("all flags");
  });
};

exports.emitsAndThenTheEnd = (io, app) => {
  io.on("connection", (socket) => {
    socket.emit("one", bytes(1), bytes(2));
    io.emit("two");
    socket.emit("three", bytes(3));
    io.to(socket.id).emit("four");
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.on("go", () => {
      socket.emit("last");
      socket.disconnect(true);
    });
  });
};

exports.largeMessages = (io) => {
  io.on("connection", (socket) => {
    socket.on("size", (text, data, ack) => ack([Buffer.byteLength(text), data.length]));
    socket.emit("large", "é".repeat(70000), Buffer.alloc(200000));
  });
};

exports.emitAfterTheClientHasGone = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("disconnect", (reason) => {
      socket.emit("too late");
      socket.join("room");
      socket.broadcast.emit("left", reason);
      app.log("rooms", socket.rooms);
    });
  });
};

exports.clientThatTriesAgain = (io, app) => {
  io.on("connection", (socket) => {
    const seen = [];
    socket.on("work", (n, ack) => {
      app.log("work", n);
      if (seen.push(n) > 2) ack("done", n);
    });
  });
};

exports.compressedWebsockets = {
  options: { perMessageDeflate: true },
  serve(io) {
    io.on("connection", (socket) => {
      socket.on("echo", (...args) => args.pop()(...args));
      socket.emit("large", "x".repeat(5000), Buffer.alloc(3000));
      socket.compress(false).emit("plain", "x".repeat(5000));
      io.emit("to all", "y".repeat(5000));
    });
  },
};

exports.answersOfOtherServers = (io, app) => {
  app.onWord("ask", () => {
    io.serverSideEmit("question", (...args) => app.log("callback", args));
    io.serverSideEmitWithAck("question").then((answers) => app.log("awaited", answers));
  });
};

exports.leavingOnesOwnRoom = (io) => {
  io.on("connection", (socket) => {
    socket.on("leave", (ack) => {
      socket.leave(socket.id);
      io.to(socket.id).emit("to the own room");
      socket.emit("direct");
      ack(socket.rooms.size);
    });
  });
};

exports.disconnectedTwice = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
    socket.on("go", () => {
      socket.disconnect();
      socket.disconnect();
      socket.disconnect(true);
      socket.emit("never");
    });
  });
};

exports.moreThanTenAttachments = (io, app) => {
  io.on("connection", (socket) => {
    socket.on("go", (count, ack) => {
      const outcome = app.error(() => void socket.emit("many", ...Array(count).fill(Buffer.from([1]))));
      ack(!(outcome instanceof Error));
    });
    socket.on("disconnect", (reason) => app.log("disconnect", reason));
  });
};
