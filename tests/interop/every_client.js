// Runs every_client_play.js in Node and in Chromium, for test_every_client.py; it speaks as driver.js does.
//
//   scenario: a folder of tests/clients/node_modules; mode: how it connects, see WAYS. The argument is Chromium's
//   executable. What is played in a page gets the client's own build by a script tag, from the server it is for.
"use strict";

const path = require("node:path");
const readline = require("node:readline");
const { chromium } = require("playwright-core");
const { playEveryClient } = require("./every_client_play.js");

const CLIENTS = path.join(__dirname, "..", "clients", "node_modules");
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const WAYS = {
  polling: { transports: ["polling"] },
  websocket: { transports: ["websocket"] },
  upgrade: { transports: ["polling", "websocket"] },
  "polling-base64": { transports: ["polling"], forceBase64: true },
  "websocket-base64": { transports: ["websocket"], forceBase64: true },
  jsonp: { transports: ["polling"], forceJSONP: true },
};

let browser;
const waiting = new Map(); // job -> resolves when the test has said that the server is there again

function write(line) {
  process.stdout.write(JSON.stringify(line) + "\n");
}

const inNode = (client, url, options, isUpgraded, say, reopened) => (
  playEveryClient(require(path.join(CLIENTS, client)), url, options, isUpgraded, say, reopened));

// A page of the server's with the client's build in it.
async function inPage(build, url, options, isUpgraded, say, reopened) {
  browser ??= await chromium.launch({ executablePath: process.argv[2], args: FLAGS });
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    await page.exposeFunction("say", say);
    await page.exposeFunction("reopened", reopened);
    await page.goto(`${url}/page`);
    await page.addScriptTag({ url: `/builds/${build}` });
    await page.addScriptTag({ path: path.join(__dirname, "every_client_play.js") });
    const result = await page.evaluate(
      // eslint-disable-next-line no-undef
      ([to, how, upgraded]) => playEveryClient(io, to, how, upgraded, say, reopened), [url, options, isUpgraded],
    );
    if (errors.length > 0) throw new Error(errors.join("\n"));
    return result;
  } finally {
    await context.close();
  }
}

async function perform({ id, scenario, url, mode, args }) {
  const say = (note) => write({ id, note, data: null });
  const isOpen = new Promise((resolve) => waiting.set(id, resolve));
  const reopened = () => isOpen;
  const play = args.build ? inPage : inNode;
  try {
    const result = await play(args.build || scenario, url, WAYS[mode], mode === "upgrade", say, reopened);
    write({ id, ok: true, result });
  } catch (error) {
    write({ id, ok: false, error: String(error?.stack ?? error) });
  }
}

readline.createInterface({ input: process.stdin }).on("line", (text) => {
  const line = JSON.parse(text);
  if (line.word !== undefined) waiting.get(line.id)();
  else perform(line);
}).on("close", async () => {
  await browser?.close();
  process.exit(0);
});
