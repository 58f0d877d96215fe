// What the service does: charts of the last hour, and the last webhooks. Asked for each five seconds while somebody looks.

import { Charts } from "./charts.js";
import { byId, setText } from "./parts.js";
import { clockTime } from "./time.js";
import { Webhooks } from "./webhooks.js";

const EVERY = 5_000;
const MOST_STEPS = 720;
const STEPS_THAT_GROW = 12;
const TITLES = {
  one: "What this instance did in the last hour",
  all: "What all instances did in the last hour",
};

export class Inside {
  #service;
  #charts;
  #webhooks;
  #instances = "one";
  #times = [];
  #series = {};
  #timer;
  #isAsking = false;

  constructor(service, { hasInstances }) {
    this.#service = service;
    this.#charts = new Charts(byId("charts"), hasInstances ? "Redis" : "the store");
    this.#webhooks = new Webhooks((path, options) => this.#ask(path, options));
    byId("inside-instances").hidden = !hasInstances;
    for (const button of byId("inside-instances").children) {
      button.addEventListener("click", () => this.#choose(button.dataset.instances));
    }
    byId("inside").hidden = false;
    byId("webhooks").hidden = false;
    document.addEventListener("visibilitychange", () => this.#look());
    void this.#look();
  }

  /** Asks now, and again and again while the page is shown. */
  async #look() {
    if (this.#isAsking) return;
    clearTimeout(this.#timer);
    if (document.hidden) return;
    this.#isAsking = true;
    try {
      await Promise.all([this.#lookAtFigures(), this.#webhooks.refresh()]);
    } finally {
      this.#isAsking = false;
      this.#timer = setTimeout(() => this.#look(), EVERY);
    }
  }

  /** Shows what this instance did, or the sum of all. */
  #choose(instances) {
    if (this.#instances === instances) return;
    this.#instances = instances;
    [this.#times, this.#series] = [[], {}];
    for (const button of byId("inside-instances").children) {
      button.ariaPressed = String(button.dataset.instances === instances);
    }
    setText(byId("inside-title"), TITLES[instances]);
    void this.#lookAtFigures();
  }

  async #lookAtFigures() {
    const instances = this.#instances;
    const since = this.#since();
    const query = `since=${since}${instances === "all" ? "&instances=all" : ""}`;
    const { answer, problem } = await this.#ask(`api/livekit/figures?${query}`);
    // Somebody chose otherwise, or another answer was faster.
    if (instances !== this.#instances || since !== this.#since()) return;
    setText(byId("inside-note"), problem ?? noteOf(answer));
    if (!answer) return;
    const kept = this.#times.filter((time) => time <= since);
    this.#times = [...kept, ...answer.times].slice(-MOST_STEPS);
    for (const [name, values] of Object.entries(answer.series)) {
      const before = (this.#series[name] ?? []).slice(0, kept.length);
      this.#series[name] = [...before, ...values].slice(-MOST_STEPS);
    }
    if (this.#times.length > 0) this.#charts.show(this.#times, this.#series);
  }

  /** The time after which steps are asked for. A sum grows for a minute, since instances tell of themselves late. */
  #since() {
    return this.#times.at(this.#instances === "all" ? -1 - STEPS_THAT_GROW : -1) ?? 0;
  }

  /** What the service answers, or in a sentence why it does not. */
  async #ask(path, { method = "GET" } = {}) {
    const { url, token } = this.#service;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(`${url}${path}`, { method, headers }).catch(() => null);
    const answer = await response?.json().catch(() => null);
    if (response?.ok && answer) return { answer };
    return { problem: answer?.detail ?? "The service cannot be reached." };
  }
}

/** What has to be said of an answer. */
function noteOf({ times, instances }) {
  if (!instances) return times.length > 0 ? "" : "The first five seconds are not over yet.";
  const missing = instances.filter((instance) => instance.missing);
  const counted = instances.length - missing.length;
  const sum = `The sum of ${counted === 1 ? "one instance" : `${counted} instances`}, up to a quarter of a minute late.`;
  const without = missing.map(
    ({ id, toldAtMs, missing: why }) => ` Without ${id} since ${clockTime(new Date(toldAtMs))}: ${why}.`,
  );
  return sum + without.join("");
}
