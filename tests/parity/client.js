// Plays scenarios to a server with the official client; side.py and conftest.py say what the lines are.
//
//   in   {"id":1,"op":"play","run":"...","scenario":"...","mode":"websocket","port":5000}
//        {"run":"...","entry":[...]}                the server has logged something
//        {"run":"...","token":1,"result":...}       what a word to the server came to
//   out  {"run":"...","token":1,"op":"word","word":"...","args":[...]}
//        {"id":1,"result":[["a",[...]],...]}        what everybody saw
//   in   {"id":2,"op":"end","run":"..."}             its clients can go
"use strict";

const readline = require("node:readline");
const { Play } = require("./play.js");
const { load } = require("./common.js");

const scenarios = load("clients");
const running = new Map();

function say(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

async function perform(command) {
  if (command.op === "end") {
    running.get(command.run).close();
    running.delete(command.run);
    return say({ id: command.id, result: null });
  }
  const play = new Play(command, say);
  running.set(command.run, play);
  try {
    const scenario = scenarios[command.scenario];
    if (!scenario) throw new Error(`no scenario ${command.scenario}`);
    await scenario(play);
    await play.synchronize();
    say({ id: command.id, result: play.lines() });
  } catch (error) {
    const seen = play.lines().map((line) => JSON.stringify(line)).join("\n");
    say({ id: command.id, error: `${error?.stack ?? error}\nseen:\n${seen}` });
  }
}

process.on("uncaughtException", (error) => process.stderr.write(`${error?.stack}\n`));

readline.createInterface({ input: process.stdin }).on("line", (text) => {
  const line = JSON.parse(text);
  if (line.op) perform(line);
  else running.get(line.run)?.hear(line);
}).on("close", () => process.exit(0));
