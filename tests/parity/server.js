// Node's own servers: a process that opens one for each scenario that is played (see side.py for its lines).
// server_process.py is the same with ours.
"use strict";

const http = require("node:http");
const readline = require("node:readline");
const { Server } = require("socket.io");
const { load, describe, BARRIER } = require("./common.js");

const scenarios = load("apps");

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

class Run {
  constructor(name, { scenario, barrier }) {
    this.name = name;
    const found = scenarios[scenario];
    if (!found) throw new Error(`no scenario ${scenario}`);
    const { options = {}, serve = found } = found;
    Object.assign(this, { options, serve, barrier });
  }

  async open(port = 0) {
    // As `new Server(port)` makes it.
    this.http = http.createServer((_request, response) => response.writeHead(404).end());
    this.io = new Server(this.http, this.options);
    this.words = new Map();
    for (const name of this.barrier) {
      this.io.of(name).on("connection", (socket) => socket.on(BARRIER, (ack) => ack()));
    }
    this.serve(this.io, {
      log: (...entry) => {
        if (!entry.includes(BARRIER)) say({ run: this.name, entry: describe(entry) });
      },
      onWord: (word, fn) => this.words.set(word, fn),
      close: () => this.close(),
      error(call) {
        try {
          return call();
        } catch (error) {
          return error;
        }
      },
    });
    await new Promise((resolve) => this.http.listen(port, "127.0.0.1", resolve));
    return this.http.address().port;
  }

  async close() {
    const { io } = this;
    this.io = null;
    if (io) {
      await io.close();
      this.http.closeAllConnections();
    }
  }

  async restart() {
    const { port } = this.http.address();
    await this.close();
    await this.open(port);
  }
}

const runs = new Map();
const operations = {
  async open(command) {
    const run = new Run(command.run, command);
    runs.set(command.run, run);
    return run.open();
  },
  async close({ run }) {
    await runs.get(run).close();
    runs.delete(run);
  },
  restart: ({ run }) => runs.get(run).restart(),
  word: ({ run, word, args }) => runs.get(run).words.get(word)(...args),
  settle() {}, // what was logged before has been written
};

async function answer(command) {
  try {
    const result = await operations[command.op](command);
    say({ id: command.id, result: result ?? null });
  } catch (error) {
    say({ id: command.id, error: String(error.stack ?? error) });
  }
}

// A listener that throws ends a process that has nobody to hear of it; ours logs it.
process.on("uncaughtException", (error) => process.stderr.write(`${error.stack}\n`));

readline.createInterface({ input: process.stdin })
  .on("line", (line) => answer(JSON.parse(line)))
  .on("close", () => process.exit(0));
