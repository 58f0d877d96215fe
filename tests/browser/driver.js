// A real Chromium, driven by the Rust tests: reads a command as JSON from each line of its input, and answers with a line.
// A command names itself, as `{"open": {"url": …}}` or `"look"`. It ends with its input.

import { createInterface } from "node:readline";

import { look, remember } from "./look.js";

/** The browser of Debian's package, unless another is named. */
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
/** Nothing but the page is loaded; the sandbox needs privileges that a build machine does not give. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const playwright = await import("playwright-core").catch(() => null);
if (!playwright) fail("the packages of tests/browser are missing");
const browser = await playwright.chromium
  .launch({ executablePath: CHROMIUM, args: ARGUMENTS })
  .catch((error) => fail(`Chromium does not start from ${CHROMIUM} (${error.message.split("\n")[0]})`));

let page;
/** What the browser complains about: errors on the console, exceptions, breaches of the content security policy. */
let complaints = [];

const COMMANDS = {
  /** Opens an address in a window of its own. */
  async open({ url, width = 1280, height = 800, colorScheme = "light", reducedMotion = "no-preference" }) {
    await page?.context().close();
    page = await browser.newPage({ viewport: { width, height }, colorScheme, reducedMotion });
    complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript(remember);
    await page.goto(url);
  },

  /** What a person sees. */
  look: () => page.evaluate(look),

  complaints: () => complaints,

  click: (selector) => page.click(selector),

  press: (key) => page.keyboard.press(key),

  reload: async () => void (await page.reload()),

  /** What a program that tests for accessibility has to say. */
  async audit() {
    const { default: axe } = await import("axe-core");
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
  },

  /** For a person who wants to see what a test saw. */
  shoot: async (path) => void (await page.screenshot({ path })),
};

answer({ value: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  const [name, argument] = typeof command === "string" ? [command] : Object.entries(command)[0];
  try {
    answer({ value: (await COMMANDS[name](argument)) ?? null });
  } catch (error) {
    answer({ error: error.message });
  }
}
await browser.close();

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function fail(reason) {
  answer({ error: reason });
  process.exit(1);
}
