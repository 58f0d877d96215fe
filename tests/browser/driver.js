// A real Chromium, driven by the Rust tests: reads a command as JSON from each line of its input, and answers with a line.
// A command names itself, as `{"open": {"url": …}}` or `"look"`. It ends with its input.

import { join } from "node:path";
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
  // What browsers do when somebody goes back is a part of what is tested.
  .launch({ executablePath: CHROMIUM, args: ARGUMENTS, ignoreDefaultArgs: ["--disable-back-forward-cache"] })
  .catch((error) => fail(`Chromium does not start from ${CHROMIUM} (${error.message.split("\n")[0]})`));

let page;
/** A profile of its own, whose tabs have in common what those of one browser have. */
let profile;
let tabs = [];
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

  click: async (selector) => void (await page.click(selector)),

  fill: async ({ selector, value }) => void (await page.fill(selector, value)),

  choose: async ({ selector, value }) => void (await page.selectOption(selector, value)),

  press: (key) => page.keyboard.press(key),

  pressIn: ({ tab, key }) => tabs[tab].page.keyboard.press(key),

  reload: async () => void (await page.reload()),

  /** What a program that tests for accessibility has to say. */
  async audit(tab = null) {
    const { default: axe } = await import("axe-core");
    const audited = tab === null ? page : tabs[tab].page;
    await audited.evaluate(axe.source);
    const { violations } = await audited.evaluate(() => globalThis.axe.run());
    return violations.flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html}`));
  },

  /** Opens one more tab; answers with its number. With a clock its time stands still, but for what `passTime` lets pass. */
  async openTab({ url, clock = false }) {
    profile ??= await newProfile();
    const tab = await profile.newPage();
    if (clock) await tab.clock.install();
    await tab.goto(url);
    return tabs.push({ page: tab, session: await profile.newCDPSession(tab) }) - 1;
  },

  /** Shows a tab as another window would. */
  async resize({ tab, window: { width, height, colorScheme, reducedMotion } }) {
    await tabs[tab].page.setViewportSize({ width, height });
    await tabs[tab].page.emulateMedia({ colorScheme, reducedMotion });
  },

  /** Has the files of a built app be those of an origin: its root and its `/assets`. Everything else goes on to the network. */
  async serve({ origin, folder }) {
    profile ??= await newProfile();
    const isOfApp = ({ href, pathname }) =>
      href.startsWith(`${origin}/`) && (pathname === "/" || pathname.startsWith("/assets/"));
    await profile.route(isOfApp, (route) => {
      const { pathname } = new URL(route.request().url());
      return route.fulfill({ path: join(folder, pathname === "/" ? "index.html" : pathname) });
    });
  },

  /** Runs the body of an async function in a tab; answers with what it returns. Also in one that came back from the cache. */
  async run({ tab, script, argument }) {
    const expression = `(async (argument) => {${script}})(${JSON.stringify(argument ?? null)})`;
    const { result, exceptionDetails } = await tabs[tab].session.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  },

  closeTab: (tab) => tabs[tab].page.close(),

  go: async ({ tab, url }) => void (await tabs[tab].page.goto(url)),

  passTime: ({ tab, millis }) => tabs[tab].page.clock.runFor(millis),

  offline: (isOffline) => profile.setOffline(isOffline),

  /** Stops all that a tab does, as browsers do with one that nobody has looked at for long; or lets it go on. */
  freeze: async ({ tab, isFrozen }) =>
    void (await tabs[tab].session.send("Page.setWebLifecycleState", { state: isFrozen ? "frozen" : "active" })),

  /** Ends the shared workers of all tabs, as a crash does. Answers with how many there were. */
  async endWorkers() {
    const session = await browser.newBrowserCDPSession();
    const { targetInfos } = await session.send("Target.getTargets");
    const workers = targetInfos.filter(({ type }) => type === "shared_worker");
    for (const { targetId } of workers) await session.send("Target.closeTarget", { targetId });
    return workers.length;
  },

  /** What a tab holds, once its garbage is collected. */
  async holds(tab) {
    const { session } = tabs[tab];
    await session.send("HeapProfiler.collectGarbage");
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    const { metrics } = await session.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  },

  /** For a person who wants to see what a test saw. */
  shoot: async (path) => void (await page.screenshot({ path })),
};

const lines = createInterface({ input: process.stdin });
// Also in the middle of a command that never ends.
lines.once("close", () => browser.close().finally(() => process.exit()));
answer({ value: browser.version() });
for await (const line of lines) {
  const command = JSON.parse(line);
  const [name, argument] = typeof command === "string" ? [command] : Object.entries(command)[0];
  try {
    answer({ value: (await COMMANDS[name](argument)) ?? null });
  } catch (error) {
    answer({ error: error.message });
  }
}

/** What the tests' proxies have as certificates is signed by nobody. */
function newProfile() {
  return browser.newContext({ ignoreHTTPSErrors: true });
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

function fail(reason) {
  answer({ error: reason });
  process.exit(1);
}
