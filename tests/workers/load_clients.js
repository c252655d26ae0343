// Official clients of several generations at workers, and what each of them has seen.
//
//   node load_clients.js '{"url": …, "clients": {"client-newest": 80, …}, "delay": 500, "pause": 2000, "ramp": 5}'
//
// Two of three go from polling to WebSocket, the others stay with polling. `delay`: reconnectionDelay in ms; `pause`:
// between two events of a client, in ms; `ramp`: ms from one client's start to the next. Prints "ready" when all are in
// and have gone over. Commands on stdin, each answered by a line of JSON:
//   killed PID      a worker was killed: who has a session there may lose it, once. Answered at once
//   back            answered when all of these are in again
//   stop COUNT      what was seen, once all whose worker lives were told COUNT times, or 10 s later; then they leave
"use strict";

const path = require("node:path");
const readline = require("node:readline");

const CLIENTS = path.join(__dirname, "..", "clients", "node_modules");
const { url, clients, delay, pause, ramp } = JSON.parse(process.argv[2]);
const seen = { connects: 0, upgrades: 0, asked: 0, answered: 0, told: 0, troubles: {}, workers: {}, affected: 0, back: [] };
const all = [];
const killed = new Set();
const note = (word) => { seen.troubles[word] = (seen.troubles[word] || 0) + 1; };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const until = async (isSo) => { while (!isSo()) await sleep(10); };
let isOver = false;

class Client {
  constructor(generation, upgrades) {
    this.generation = generation;
    this.upgrades = upgrades;
    this.worker = null;       // the process that its session is in
    this.isIn = false;
    this.lostAt = 0;
    this.attempts = 0;
    this.news = [];           // numbers of what was told to all
    const io = require(path.join(CLIENTS, generation));
    this.socket = io(url, {
      transports: upgrades ? ["polling", "websocket"] : ["polling"], forceNew: true, timeout: 30000,
      reconnectionDelay: delay, reconnectionDelayMax: 2 * delay,
    });
    this.socket.on("connect", () => this.connected());
    this.socket.on("connect_error", (error) => this.trouble(`connect_error: ${error.message || error}`));
    this.socket.on("disconnect", (reason) => this.disconnected(reason));
    this.socket.on("told", (number) => { seen.told++; this.news.push(number); });
    this.socket.io.on("reconnect_attempt", () => { this.attempts++; this.triedAt = performance.now(); });
  }

  get hasUpgraded() { return this.socket.io.engine.transport.name === "websocket"; }

  get isAffected() { return killed.has(this.worker); }

  trouble(what) { if (!isOver && !this.isAffected) note(`${this.generation}: ${what}`); }

  connected() {
    seen.connects++;
    const engine = this.socket.io.engine;
    engine.on("upgradeError", (error) => this.trouble(`upgradeError: ${error.message}`));
    this.socket.emit("who", ([pid]) => {
      if (this.lostAt) {
        const now = performance.now();
        const [ms, afterAttempt] = [now - this.lostAt, now - this.triedAt].map(Math.round);
        seen.back.push({ ms, afterAttempt, attempts: this.attempts });
        this.lostAt = 0;
      }
      this.worker = pid;
      this.isIn = true;
      seen.workers[pid] = (seen.workers[pid] || 0) + 1;
    });
  }

  disconnected(reason) {
    if (isOver) return;
    this.isIn = false;
    this.attempts = 0;
    this.lostAt = performance.now();
    if (!this.isAffected) note(`${this.generation}: disconnect: ${reason}`);
  }

  async speak() {
    await sleep(Math.random() * pause);
    while (!isOver) {
      if (this.isIn) {
        const from = this.worker;
        seen.asked++;
        this.socket.emit("echo", "x".repeat(64), () => { seen.answered++; this.answeredBy = from; });
      }
      await sleep(pause);
    }
  }
}

async function begin() {
  let number = 0;
  for (const [generation, count] of Object.entries(clients)) {
    for (let i = 0; i < count; i++) {
      all.push(new Client(generation, number++ % 3 !== 2));
      await sleep(ramp);
    }
  }
  await until(() => all.every((one) => one.isIn && (one.hasUpgraded || !one.upgrades)));
  for (const one of all) one.speak();
  console.log("ready");
}

const answer = (value) => console.log(JSON.stringify(value));

async function obey(line) {
  const [word, argument] = line.split(" ");
  if (word === "killed") {
    killed.add(Number(argument));
    for (const one of all.filter((one) => one.isAffected)) {
      one.wasAffected = true;
      seen.affected++;
    }
    answer({ affected: seen.affected });
  } else if (word === "back") {
    await until(() => seen.back.length >= seen.affected && all.every((one) => one.isIn && !one.isAffected));
    answer({ back: seen.back.length });
  } else if (word === "stop") {
    const stayed = all.filter((one) => !one.wasAffected);
    const endsAt = performance.now() + 10000;
    await until(() => performance.now() > endsAt || stayed.every((one) => one.news.length >= Number(argument)));
    isOver = true;
    const heard = {};
    for (const one of stayed) {
      const key = JSON.stringify(one.news);
      heard[key] = (heard[key] || 0) + 1;
    }
    answer({ ...seen, upgrades: all.filter((one) => one.hasUpgraded).length, heard });
    for (const one of all) one.socket.close();
    await sleep(300);
    process.exit(0);
  }
}

readline.createInterface({ input: process.stdin }).on("line", obey);
begin();
