/* The application under test for Node and Bun: handlers.py with the JavaScript API.
 *
 * Handlers that need no socket are made once, the others when a client comes, as users write them.
 */

/* Given to every server here; handlers.py has them under python-socketio's names. */
export const SETTINGS = {
  httpCompression: false,
  maxHttpBufferSize: 2_000_000,
};
const NAMESPACES = ["/", "/a", "/b", "/c", "/d"];

/* `PORT [--tls CERT KEY]` of the command line. */
export function listening() {
  const [port, flag, cert, key] = process.argv.slice(2);
  if (!(port > 0) || (flag !== undefined && (flag !== "--tls" || !key))) {
    console.error("usage: PORT [--tls CERT KEY]");
    process.exit(2);
  }
  return { host: "127.0.0.1", port: Number(port), tls: flag && { cert, key } };
}

export function install(io) {
  for (const namespace of NAMESPACES) {
    io.of(namespace).on("connection", (socket) => {
      socket.on("echo", echo);
      socket.on("echo_async", echoAsync);
    });
  }
  const toMany = handlersToMany(io);
  io.on("connection", (socket) => {
    toTheSender(socket);
    for (const [event, handler] of toMany) socket.on(event, handler);
  });
}

const echo = (data, ack) => ack(data);
const echoAsync = async (data, ack) => ack(data);

function toTheSender(socket) {
  socket.on("say", (data) => {
    socket.emit("said", data);
  });
  socket.on("say_async", async (data) => {
    socket.emit("said", data);
  });
  socket.on("burst", async (count, data) => {
    for (let i = 0; i < count; i++) socket.emit("news", data);
  });
  socket.on("join", (room, ack) => {
    socket.join(room);
    ack();
  });
}

const handlersToMany = (io) => [
  [
    "broadcast",
    async (data) => {
      io.emit("news", data);
    },
  ],
  [
    "to_room",
    async (room, data) => {
      io.to(room).emit("news", data);
    },
  ],
  [
    "chat",
    async (room, data, ack) => {
      io.to(room).emit("news", data);
      ack();
    },
  ],
];
