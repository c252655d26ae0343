// Runs scenarios with the official client, one JSON job per line of stdin, one JSON line out each.
//
//   in   {"id":1,"scenario":"echoesText","url":"http://127.0.0.1:5000","mode":"polling","args":{}}
//        {"id":1,"word":"go"}                    an answer to a scenario that waits for it
//   out  {"id":1,"note":"connected","data":...}  on the way
//        {"id":1,"ok":true,"result":...}  or  {"id":1,"ok":false,"error":"stack"}
//
// A scenario is an exported function of scenarios/*.js that takes a Context and asserts by itself.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");
const { Manager } = require("socket.io-client");

// "upgrade" has switched before the scenario starts; "upgrading" switches while it runs.
const TRANSPORTS = {
  polling: ["polling"],
  websocket: ["websocket"],
  upgrade: ["polling", "websocket"],
  upgrading: ["polling", "websocket"],
};

const SLOWNESS = Number(process.env.FASTSIO_TEST_SLOWNESS || 1);
const DEADLINE_MS = 10_000 * SLOWNESS;

// Rejects with `what` if `promise` takes longer than `ms`.
function within(promise, what, ms = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`not within ${ms} ms: ${what}`);
    timer = setTimeout(() => reject(error), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// The arguments of the next `event`.
function next(emitter, event, ms = DEADLINE_MS) {
  const came = new Promise((resolve) => emitter.once(event, (...args) => resolve(args)));
  return within(came, `event "${event}"`, ms);
}

// Every `event` from now on; `enough(n)` resolves when there are n of them.
function collect(emitter, event) {
  const seen = [];
  const waiting = [];
  emitter.on(event, (...args) => {
    seen.push(args);
    for (const [n, resolve] of waiting) if (seen.length === n) resolve(seen);
  });
  seen.enough = (n, ms) => {
    if (seen.length >= n) return Promise.resolve(seen);
    const came = new Promise((resolve) => waiting.push([n, resolve]));
    return within(came, `${n} x "${event}"`, ms).catch((error) => {
      error.message += ` (had ${seen.length})`;
      throw error;
    });
  };
  return seen;
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

class Context {
  constructor(job) {
    this.id = job.id;
    this.url = job.url;
    this.mode = job.mode;
    this.args = job.args || {};
    this.managers = [];
    this.words = new Map();
    this.waiting = new Map();
    this.failed = new Promise((_, reject) => { this.fail = reject; });
    this.failed.catch(() => {});
  }

  // A manager of its own; it does not reconnect unless told to.
  manager(options = {}) {
    const manager = new Manager(this.url, {
      transports: TRANSPORTS[this.mode],
      reconnection: false,
      reconnectionDelay: 50,
      reconnectionDelayMax: 200,
      timeout: DEADLINE_MS,
      rejectUnauthorized: false, // the tests' certificate is signed by itself
      ...(this.args.parser && { parser: require(this.args.parser) }), // a package of npm, for any scenario
      ...(this.args.deflate && { perMessageDeflate: this.args.deflate }),
      ...options,
    });
    this.managers.push(manager);
    return manager;
  }

  // A socket that is still connecting.
  open(namespace = "/", { auth, ...options } = {}) {
    return this.manager(options).socket(namespace, { auth });
  }

  // A connected socket on a connection of its own, in mode "upgrade" an upgraded one.
  async connect(namespace = "/", options = {}) {
    const socket = this.open(namespace, options);
    await this.connected(socket);
    if (this.mode === "upgrade") await this.upgraded(socket.io);
    return socket;
  }

  // Another namespace on the connection of `socket`.
  async join(socket, namespace, auth) {
    const other = socket.io.socket(namespace, { auth });
    await this.connected(other);
    return other;
  }

  connected(socket) {
    if (socket.connected) return Promise.resolve(socket);
    const done = new Promise((resolve, reject) => {
      socket.once("connect", () => resolve(socket));
      socket.on("connect_error", (error) => {
        const retries = socket.active && socket.io.reconnection();
        if (!retries) reject(new Error(`connect_error: ${error.message}`));
      });
    });
    return within(done, `connect to ${socket.nsp}`);
  }

  async refused(socket) {
    const done = new Promise((resolve, reject) => {
      socket.once("connect_error", resolve);
      socket.once("connect", () => reject(new Error(`${socket.nsp} was not refused`)));
    });
    const { message, data } = await within(done, `refusal of ${socket.nsp}`);
    return { message, data };
  }

  async upgraded(manager) {
    if (manager.engine.transport.name !== "websocket") await next(manager.engine, "upgrade");
  }

  // Resolves with the reason once the socket is disconnected.
  async gone(socket) {
    return (await next(socket, "disconnect"))[0];
  }

  // Everything the server sent before this call has arrived when it resolves (FIFO, section 7).
  settled(...sockets) {
    return Promise.all(sockets.map((socket) => this.ask(socket, "echo", "settled")));
  }

  // Resolves when the server can send at once: it holds a GET of a polling client (a POST sent after it was answered), or
  // it has heard that an upgrade is done.
  async held(socket) {
    const { engine } = socket.io;
    if (engine.transport.name !== "polling") {
      await this.settled(socket);
      return;
    }
    await this.turn();
    const drained = next(engine, "drain");
    socket.emit("echo", "no ack wanted");
    await drained;
  }

  // emitWithAck that cannot hang.
  ask(socket, event, ...args) {
    return socket.timeout(DEADLINE_MS).emitWithAck(event, ...args);
  }

  note(note, data = null) {
    write({ id: this.id, note, data });
  }

  // Resolves when the test says `word`.
  word(word) {
    if (this.words.delete(word)) return Promise.resolve();
    return within(new Promise((resolve) => this.waiting.set(word, resolve)), `the word "${word}"`,
      3 * DEADLINE_MS);
  }

  hear(word) {
    const resolve = this.waiting.get(word);
    if (!resolve) return this.words.set(word, true);
    this.waiting.delete(word);
    resolve();
  }

  close() {
    for (const manager of this.managers) {
      manager.reconnection(false);
      manager._close();
      manager.engine?.close();
    }
  }
}

Object.assign(Context.prototype, { within, next, collect, turn, assert });

const scenarios = {};
const folder = path.join(__dirname, "scenarios");
for (const file of fs.readdirSync(folder).sort()) {
  for (const [name, run] of Object.entries(require(path.join(folder, file)))) {
    if (scenarios[name]) throw new Error(`two scenarios are called ${name}`);
    scenarios[name] = run;
  }
}

const running = new Map();

function write(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

async function perform(job) {
  const context = new Context(job);
  running.set(job.id, context);
  try {
    const scenario = scenarios[job.scenario];
    if (!scenario) throw new Error(`no scenario ${job.scenario}`);
    const result = await Promise.race([scenario(context), context.failed]);
    write({ id: job.id, ok: true, result: result === undefined ? null : result });
  } catch (error) {
    write({ id: job.id, ok: false, error: String(error && error.stack ? error.stack : error) });
  } finally {
    running.delete(job.id);
    context.close();
  }
}

// An exception in a listener belongs to the scenarios that run now.
function blame(error) {
  for (const context of running.values()) context.fail(error);
  if (running.size === 0) process.stderr.write(`between scenarios: ${error && error.stack}\n`);
}
process.on("uncaughtException", blame);
process.on("unhandledRejection", blame);

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const job = JSON.parse(line);
  if (job.word !== undefined) running.get(job.id)?.hear(job.word);
  else perform(job);
}).on("close", () => process.exit(0));
