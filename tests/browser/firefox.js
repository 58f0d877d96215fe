// A real Firefox, driven by the Rust tests over WebDriver BiDi, as driver.js drives Chromium: the same lines, fewer commands.

import { createInterface } from "node:readline";

import { look, remember } from "./look.js";

/** The browser of Debian's package, unless another is named. */
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";

const puppeteer = await import("puppeteer-core").catch(() => null);
if (!puppeteer) fail("the packages of tests/browser are missing");
const browser = await puppeteer
  .launch({ browser: "firefox", executablePath: FIREFOX, headless: true })
  .catch((error) => fail(`Firefox does not start from ${FIREFOX} (${error.message.split("\n")[0]})`));

let page;
const tabs = [];
/** What the browser complains about: errors on the console, exceptions. */
let complaints = [];

const COMMANDS = {
  /** Opens an address in a tab of its own. */
  async open({ url, width = 1280, height = 800 }) {
    await page?.close();
    page = await browser.newPage();
    await page.setViewport({ width, height });
    complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.evaluateOnNewDocument(remember);
    await page.goto(url);
  },

  /** What a person sees. */
  look: () => page.evaluate(look),

  /** Also breaches of the content security policy, which Firefox does not tell as errors. */
  complaints: async () => [...complaints, ...(await page.evaluate(() => globalThis.breaches ?? []))],

  click: async (selector) => void (await page.click(selector)),

  press: (key) => page.keyboard.press(key),

  /** Opens one more tab; answers with its number. */
  async openTab({ url }) {
    const tab = await browser.newPage();
    await tab.goto(url);
    return tabs.push(tab) - 1;
  },

  /** Runs the body of an async function in a tab; answers with what it returns. */
  run: ({ tab, script, argument }) =>
    tabs[tab].evaluate(`(async (argument) => {${script}})(${JSON.stringify(argument ?? null)})`),

  closeTab: (tab) => tabs[tab].close(),
};

const lines = createInterface({ input: process.stdin });
// Also in the middle of a command that never ends.
lines.once("close", () => browser.close().finally(() => process.exit()));
answer({ value: await browser.version() });
for await (const line of lines) {
  const command = JSON.parse(line);
  const [name, argument] = typeof command === "string" ? [command] : Object.entries(command)[0];
  try {
    answer({ value: (await COMMANDS[name](argument)) ?? null });
  } catch (error) {
    answer({ error: error.message });
  }
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function fail(reason) {
  answer({ error: reason });
  process.exit(1);
}
