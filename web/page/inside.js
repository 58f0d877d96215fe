// What the service does: charts of the last hour, and the last webhooks. Asked for each five seconds while somebody looks.

import { Charts } from "./charts.js";
import { byId, setText } from "./parts.js";
import { Webhooks } from "./webhooks.js";

const EVERY = 5_000;
const MOST_STEPS = 720;

export class Inside {
  #service;
  #charts = new Charts(byId("charts"));
  #webhooks;
  #times = [];
  #series = {};
  #timer;
  #isAsking = false;

  constructor(service) {
    this.#service = service;
    this.#webhooks = new Webhooks((path, options) => this.#ask(path, options));
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
    await Promise.all([this.#lookAtFigures(), this.#webhooks.refresh()]);
    this.#isAsking = false;
    this.#timer = setTimeout(() => this.#look(), EVERY);
  }

  async #lookAtFigures() {
    const since = this.#times.at(-1) ?? 0;
    const { answer, problem } = await this.#ask(`api/livekit/figures?since=${since}`);
    setText(byId("inside-note"), problem ?? "");
    if (!answer) return;
    this.#times = [...this.#times, ...answer.times].slice(-MOST_STEPS);
    for (const [name, values] of Object.entries(answer.series)) {
      this.#series[name] = [...(this.#series[name] ?? []), ...values].slice(-MOST_STEPS);
    }
    if (this.#times.length > 0) this.#charts.show(this.#times, this.#series);
    else setText(byId("inside-note"), "The first five seconds are not over yet.");
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
