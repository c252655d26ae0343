// Drives headless Chromium for test_chat_browser.py, test_tutorial.py and test_webtransport.py.
//
// One JSON request a line on stdin, [id, page, command, ...arguments]; one JSON answer a line on stdout,
// {id, value} or {id, error}. Selectors are Playwright's. The first argument is Chromium's executable,
// the others are of FLAGS and are left out.
"use strict";

const readline = require("node:readline");
const { setTimeout: pause } = require("node:timers/promises");
const { chromium } = require("playwright-core");

const TIMEOUT_MS = 15_000;
const POLL_MS = 50;
const FLAGS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

const pages = new Map(); // name -> {page, errors}
let browser; // launched with a fresh user-data-dir of its own; each page has a context of its own

const bytes = (file) => ({ name: file.name, mimeType: file.type, buffer: Buffer.from(file.base64, "base64") });

// A DataTransfer in the page with that file in it, for drop and paste.
const transfer = (page, file) => page.evaluateHandle(({ name, type, base64 }) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))], name, { type }));
  return data;
}, file);

const commands = {
  // files: what the page gets at addresses (Playwright's globs) instead of the network's answer, {path, contentType}.
  // script: runs in the page before its own.
  async open(name, url, window = {}) {
    const { width = 1200, height = 800, dark = false, touch = false, files = {}, cookies = [], script = "" } = window;
    const context = await browser.newContext({
      viewport: { width, height }, colorScheme: dark ? "dark" : "light", hasTouch: touch, isMobile: touch,
    });
    await context.addCookies(cookies);
    const page = await context.newPage();
    for (const [address, file] of Object.entries(files)) await page.route(address, (route) => route.fulfill(file));
    if (script) await page.addInitScript(script);
    page.setDefaultTimeout(TIMEOUT_MS);
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (line) => { if (line.type() === "error") errors.push(line.text()); });
    // What the page and the server have said to each other, for the message about an answer that is an error.
    const said = [];
    const note = (request, what) => {
      const sent = (request.postData() ?? "").slice(0, 20);
      said.push(`${Date.now()} ${request.method()} ${new URL(request.url()).search.slice(0, 90)} ${sent} ${what}`);
    };
    page.on("request", (request) => note(request, "begins"));
    page.on("requestfailed", (request) => note(request, request.failure()?.errorText));
    page.on("websocket", (socket) => {
      said.push(`${Date.now()} WebSocket`);
      socket.on("close", () => said.push(`${Date.now()} WebSocket closed`));
    });
    page.on("response", async (response) => {
      note(response.request(), response.status());
      if (response.status() < 400) return;
      const before = said.slice(-20).join("\n");
      const body = await response.text().catch(String);
      errors.push(`${response.status()} ${response.request().method()} ${response.url()}: ${body}\n${before}`);
    });
    pages.set(name, { page, errors });
    await page.goto(url);
  },
  reload: ({ page }) => page.reload(),
  fill: ({ page }, selector, text) => page.fill(selector, text),
  type: ({ page }, selector, text) => page.locator(selector).pressSequentially(text),
  press: ({ page }, selector, key) => page.press(selector, key),
  click: ({ page }, selector) => page.click(selector),
  wait: ({ page }, selector, state) => page.locator(selector).first().waitFor({ state }),
  texts: ({ page }, selector) => page.locator(selector).allTextContents(),
  evaluate: ({ page }, script) => page.evaluate(script),
  // Not waitForFunction: it evaluates text inside the page, whose Content-Security-Policy forbids that.
  until: async ({ page }, script) => {
    for (const start = Date.now(); !(await page.evaluate(script)); await pause(POLL_MS)) {
      if (Date.now() - start > TIMEOUT_MS) throw new Error(`not within ${TIMEOUT_MS} ms: ${script}`);
    }
  },
  choose: ({ page }, selector, file) => page.setInputFiles(selector, bytes(file)),
  drop: async ({ page }, selector, file) => {
    const dataTransfer = await transfer(page, file);
    await page.dispatchEvent(selector, "dragover", { dataTransfer });
    await page.dispatchEvent(selector, "drop", { dataTransfer });
  },
  paste: async ({ page }, selector, file) => {
    const data = await transfer(page, file);
    await page.locator(selector).evaluate((element, clipboardData) => {
      element.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
    }, data);
  },
  screenshot: ({ page }, path) => page.screenshot({ path }).then(() => path),
  errors: ({ errors }) => errors,
  close: ({ page }) => page.context().close(),
};

async function answer(line) {
  const [id, name, command, ...rest] = JSON.parse(line);
  try {
    const value = await commands[command](command === "open" ? name : pages.get(name), ...rest);
    return { id, value: value ?? null };
  } catch (error) {
    return { id, error: String(error.stack ?? error) };
  }
}

(async () => {
  browser = await chromium.launch({ executablePath: process.argv[2], args: FLAGS.filter((flag) => !process.argv.includes(flag)) });
  console.log(JSON.stringify({ id: 0, value: browser.version() }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(line)));
  }
  await browser.close();
})();
