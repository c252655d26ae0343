// What the script of a scenario gets: clients, plain requests, and words to the server.
"use strict";

const http = require("node:http");
const { Manager } = require("socket.io-client");
const { WebSocket } = require("ws");
const { describe, BARRIER } = require("./common.js");

const DEADLINE_MS = 5_000 * Number(process.env.FASTSIO_TEST_SLOWNESS || 1);
const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
  raw: ["websocket"],
};

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    timer = setTimeout(() => reject(error), DEADLINE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Entries in order, and a way to wait for some.
class Log {
  constructor() {
    this.entries = [];
    this.waiting = new Set();
  }

  add(...entry) {
    this.entries.push(describe(entry));
    for (const look of this.waiting) look();
  }

  // Resolves with the `count`th entry that begins with `head`.
  saw(head, count = 1) {
    const wanted = JSON.stringify(describe(head)).slice(0, -1);
    const found = () => this.entries.filter((entry) => {
      const text = JSON.stringify(entry.slice(0, head.length)).slice(0, -1);
      return text === wanted;
    })[count - 1];
    if (found()) return Promise.resolve(found());
    return within(new Promise((resolve) => {
      const look = () => {
        if (!found()) return;
        this.waiting.delete(look);
        resolve(found());
      };
      this.waiting.add(look);
    }), `${count} x ${wanted} in ${JSON.stringify(this.entries)}`);
  }
}

// Calls `fn` for every event, also with a client that has no onAny(): one of the second generation.
function hearAll(socket, fn) {
  if (socket.onAny) return socket.onAny(fn);
  const { onevent } = socket;
  socket.onevent = function (packet) {
    fn(...packet.data, ...(packet.id === undefined || packet.id === null ? [] : [this.ack(packet.id)]));
    onevent.call(this, packet);
  };
}

// A socket of the official client. All that it sees is in its log at once.
class Client {
  constructor(name, socket) {
    this.name = name;
    this.socket = socket;
    this.log = new Log();
    this.answers = new Map();
    const see = (...entry) => this.log.add(...entry);
    socket.on("connect", () => see("connect", socket.id));
    socket.on("connect_error", (error) => see("connect_error", error.message, error.data));
    socket.on("disconnect", (reason) => see("disconnect", reason));
    hearAll(socket, (event, ...args) => {
      const ack = typeof args.at(-1) === "function" ? args.pop() : null;
      see("event", event, args, ...(ack ? ["wants an ack"] : []));
      if (ack && this.answers.has(event)) ack(...this.answers.get(event));
    });
  }

  emit(event, ...args) {
    this.socket.emit(event, ...args);
    return this;
  }

  // Sends an event and resolves with the arguments of its ack, which are in the log then.
  async ask(event, ...args) {
    const came = new Promise((resolve) => this.socket.emit(event, ...args, (...answer) => {
      if (event !== BARRIER) this.log.add("ack", event, answer);
      resolve(answer);
    }));
    return within(came, `ack of ${event} to ${this.name}`);
  }

  // All that was sent before has arrived on both ends.
  step() {
    return this.ask(BARRIER);
  }

  // Answers every such event with these values from now on.
  answer(event, ...values) {
    this.answers.set(event, values);
  }

  // Resolves with the arguments of the `count`th such event.
  async got(event, count) {
    return (await this.log.saw(["event", event], count))[2];
  }

  // Resolves with the client's reason.
  async gone(count) {
    return (await this.log.saw(["disconnect"], count))[1];
  }

  disconnect() {
    this.socket.disconnect();
  }

  // Ends the connection without a goodbye.
  drop() {
    this.socket.io.engine.transport.ws.terminate();
  }
}

// A WebSocket on which the script writes packets by hand. The handshake is not in the log.
class Raw {
  constructor(name, ws, isOpen = false) {
    Object.assign(this, { name, ws, isOpen });
    this.log = new Log();
    this.opened = new Promise((resolve, reject) => {
      if (!isOpen) ws.once("message", (data) => resolve(JSON.parse(String(data).slice(1))));
      ws.once("error", reject);
      ws.once("unexpected-response", (_request, response) => reject(new Error(response.statusCode)));
    });
    this.opened.catch(() => {});
    ws.on("message", (data, isBinary) => {
      if (this.isOpen) this.log.add("packet", isBinary ? data : String(data));
      this.isOpen = true;
    });
    ws.on("close", (code) => this.log.add("closed", code));
  }

  send(...packets) {
    for (const packet of packets) this.ws.send(packet);
  }

  async packets(count) {
    await this.log.saw(["packet"], count);
  }

  closed() {
    return this.log.saw(["closed"]);
  }
}

class Play {
  constructor({ run, mode, port }, say) {
    Object.assign(this, { run, mode, say_: say });
    this.url = `http://127.0.0.1:${port}`;
    this.clients = [];
    this.managers = [];
    this.said = new Log();
    this.server = new Log();
    this.words = new Map();
    this.agent = new http.Agent({ keepAlive: false });
  }

  // --- clients

  // A client on a connection of its own that is still connecting.
  open(name, namespace = "/", { auth, retries, ackTimeout, ...options } = {}) {
    const manager = new Manager(this.url, {
      transports: TRANSPORTS[this.mode], reconnection: false, reconnectionDelay: 20, timeout: DEADLINE_MS,
      ...options,
    });
    this.managers.push(manager);
    return this.watch(name, manager.socket(namespace, { auth, retries, ackTimeout }));
  }

  // The same with a client of another release: "2.0.2", "2.5.0", "3.1.3", "4.0.2".
  old(version, name, namespace = "/", options = {}) {
    const { Manager } = require(`../clients/node_modules/client-${version}`);
    const manager = Manager(this.url, {
      transports: TRANSPORTS[this.mode], reconnection: false, timeout: DEADLINE_MS, ...options,
    });
    this.managers.push(manager);
    const client = this.watch(name, manager.socket(namespace, options));
    client.socket.on("error", (error) => client.log.add("error", error));
    return client;
  }

  watch(name, socket) {
    const client = new Client(name, socket);
    this.clients.push(client);
    return client;
  }

  // A client that is connected, and upgraded where the mode says so.
  async connect(name, namespace, options) {
    const client = this.open(name, namespace, options);
    await this.connected(client);
    await this.upgraded(client);
    return client;
  }

  async connected(client) {
    const failed = client.log.saw(["connect_error"]).then((entry) => {
      throw new Error(`${client.name} was refused: ${entry}`);
    });
    failed.catch(() => {});
    await Promise.race([client.log.saw(["connect"]), failed]);
  }

  async upgraded(client) {
    const { engine } = client.socket.io;
    if (this.mode !== "upgrade" || engine.transport.name === "websocket") return;
    await within(new Promise((resolve) => engine.once("upgrade", resolve)), "upgrade");
  }

  // Resolves when the server holds a GET of a client that polls: one was sent before this POST was answered.
  async held(client) {
    await client.step();
    const { engine } = client.socket.io;
    if (engine.transport.name !== "polling") return;
    await new Promise((resolve) => setImmediate(resolve));
    const drained = new Promise((resolve) => engine.once("drain", resolve));
    client.emit("nobody listens");
    await within(drained, "drain");
  }

  // A client that was refused.
  async refused(name, namespace, options) {
    const client = this.open(name, namespace, options);
    await client.log.saw(["connect_error"]);
    return client;
  }

  // Another namespace on the connection of `beside`, connected.
  async join(name, beside, namespace, auth) {
    const client = this.joining(name, beside, namespace, auth);
    await this.connected(client);
    return client;
  }

  joining(name, beside, namespace, auth) {
    return this.watch(name, beside.socket.io.socket(namespace, { auth }));
  }

  // A WebSocket with the handshake behind it.
  async raw(name, { query = "EIO=4", path = "/socket.io/", ...options } = {}) {
    const url = `${this.url.replace("http", "ws")}${path}?${query}&transport=websocket`;
    const client = new Raw(name, new WebSocket(url, options));
    this.clients.push(client);
    client.handshake = await within(client.opened, `handshake of ${name}`);
    return client;
  }

  // A WebSocket for the session of a polling client; it gets no handshake.
  async probe(name, { path }) {
    const url = this.url.replace("http", "ws") + path.replace("transport=polling", "transport=websocket");
    const client = new Raw(name, new WebSocket(url), true);
    this.clients.push(client);
    await within(new Promise((resolve, reject) => {
      client.ws.once("open", resolve);
      client.ws.once("error", reject);
    }), `WebSocket ${name}`);
    return client;
  }

  // The headers of the answer that opens a WebSocket.
  upgradeHeaders(path) {
    const ws = new WebSocket(this.url.replace("http", "ws") + path);
    ws.on("error", () => {});
    return within(new Promise((resolve) => {
      ws.once("upgrade", ({ headers }) => resolve(headers));
      ws.once("unexpected-response", (_request, { headers }) => resolve(headers));
    }), "answer to an upgrade").finally(() => ws.terminate());
  }

  // One HTTP request: {status, headers, body}.
  request(method, path, { headers = {}, body } = {}) {
    const came = new Promise((resolve, reject) => {
      const request = http.request(this.url + path, { method, headers, agent: this.agent }, (response) => {
        const chunks = [];
        response.on("data", (chunk) => chunks.push(chunk));
        response.on("end", () => resolve({
          status: response.statusCode, headers: response.headers, body: String(Buffer.concat(chunks)),
        }));
      });
      request.on("error", reject);
      request.end(body);
    });
    return within(came, `${method} ${path}`);
  }

  // A polling session by hand: {sid, get(), post(body)}.
  async polling({ query = "EIO=4", headers } = {}) {
    const path = `/socket.io/?${query}&transport=polling`;
    const { status, body } = await this.request("GET", path, { headers });
    if (status !== 200) throw new Error(`${status} ${body}`);
    const { sid } = JSON.parse(body.slice(body.indexOf("{"), body.lastIndexOf("}") + 1));
    return {
      sid, body, path: `${path}&sid=${sid}`,
      get: () => this.request("GET", `${path}&sid=${sid}`),
      post: (text, more = {}) => this.request("POST", `${path}&sid=${sid}`, { body: text, ...more }),
    };
  }

  // --- the server

  // Resolves once the server has logged `count` lines that begin so.
  saw(...head) {
    return this.server.saw(head);
  }

  sawTimes(count, ...head) {
    return this.server.saw(head, count);
  }

  // Calls what the application registered with onWord(); resolves with what it returns.
  word(word, ...args) {
    return this.tell({ op: "word", word, args });
  }

  // Closes the server and opens the same one again on its port.
  restart() {
    return this.tell({ op: "restart" });
  }

  tell(line) {
    const token = this.words.size + 1;
    const came = new Promise((resolve, reject) => this.words.set(token, { resolve, reject }));
    this.say_({ run: this.run, token, ...line });
    return within(came, `answer to ${JSON.stringify(line)}`);
  }

  hear({ entry, token, result, error }) {
    if (entry) this.server.add(...entry);
    else if (error) this.words.get(token).reject(new Error(error));
    else this.words.get(token).resolve(result);
  }

  // --- the transcript

  // Puts a line into the script's part of the transcript.
  say(...entry) {
    this.said.add(...entry);
  }

  // All that was sent before has arrived on both ends.
  async synchronize() {
    for (const client of this.clients) if (client.socket?.connected) await client.step();
  }

  lines() {
    const parties = this.clients.map(({ name, log }) => [name, log.entries]);
    parties.sort(([a], [b]) => (a < b ? -1 : 1));
    parties.push(["script", this.said.entries]);
    return parties.flatMap(([name, entries]) => entries.map((entry) => [name, entry]));
  }

  close() {
    for (const { ws } of this.clients) ws?.terminate();
    for (const manager of this.managers) {
      manager.reconnection(false);
      (manager._close ?? manager.close).call(manager);
      manager.engine?.close();
    }
    this.agent.destroy();
  }
}

module.exports = { Play, within };
