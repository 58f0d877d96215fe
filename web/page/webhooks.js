// The last webhooks of this instance: a table, whose lines open to show the body and what it would do now.

import { byId, copyOf, setText } from "./parts.js";
import { momentOf } from "./time.js";

const PAGE = 50;
const MOST_NAMES = 3;
const MOST_SHOWN = 1_000;

export class Webhooks {
  #ask;
  #shown = [];
  /** Newer ones that wait until somebody wants to see them. */
  #waiting = [];
  /** An answer that waits for that, and has nothing of what is shown: more came than one page holds, or another instance answered. */
  #other = null;
  #next = null;
  #open = null;
  #number = 0;

  /** `ask` asks the service: a path and options, for `{ answer }` or `{ problem }`. */
  constructor(ask) {
    this.#ask = ask;
    byId("webhooks-new").addEventListener("click", () => this.#showWaiting());
    byId("webhooks-more").addEventListener("click", () => void this.#showOlder());
    byId("webhooks-rows").addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#open) this.#close(true);
    });
  }

  /** Takes what is new. Nothing moves under somebody who is reading. */
  async refresh() {
    const { answer, problem } = await this.#ask(`api/livekit/webhooks?limit=${PAGE}`);
    setText(byId("webhooks-note"), problem ?? "");
    if (!answer) return;
    this.#showRefused(answer.refused);
    const newest = this.#waiting[0] ?? this.#shown[0];
    const known = answer.webhooks.findIndex(({ id }) => id === newest?.id);
    if (known < 0) this.#other = answer;
    else this.#waiting = [...answer.webhooks.slice(0, known), ...this.#waiting];
    if (this.#waiting.length > MOST_SHOWN) [this.#other, this.#waiting] = [answer, []];
    const isRead = this.#open !== null || byId("webhooks-rows").contains(document.activeElement);
    if (!isRead) this.#showWaiting();
    byId("webhooks-new").hidden = this.#waiting.length === 0 && !this.#other;
    setText(byId("webhooks-new"), this.#other ? "Show the newest" : `Show ${this.#waiting.length} new`);
    this.#showNumbers();
  }

  #showWaiting() {
    if (this.#other) {
      const { webhooks, next } = this.#other;
      this.#close(false);
      byId("webhooks-rows").replaceChildren();
      [this.#shown, this.#waiting, this.#next, this.#other] = [[], webhooks, next, null];
    }
    byId("webhooks-rows").prepend(...this.#waiting.map((webhook) => this.#rowOf(webhook)));
    this.#shown = [...this.#waiting, ...this.#shown];
    this.#waiting = [];
    this.#forget();
    byId("webhooks-new").hidden = true;
    this.#showNumbers();
  }

  /** Lets the oldest go. The service does not keep more either. */
  #forget() {
    if (this.#shown.length <= MOST_SHOWN) return;
    this.#shown.length = MOST_SHOWN;
    const rows = byId("webhooks-rows");
    while (rows.children.length > MOST_SHOWN) rows.lastElementChild.remove();
    this.#next = this.#shown.at(-1).id;
  }

  async #showOlder() {
    const { answer, problem } = await this.#ask(`api/livekit/webhooks?limit=${PAGE}&before=${this.#next}`);
    setText(byId("webhooks-note"), problem ?? "");
    if (!answer) return;
    byId("webhooks-rows").append(...answer.webhooks.map((webhook) => this.#rowOf(webhook)));
    this.#shown.push(...answer.webhooks);
    this.#next = answer.next;
    this.#showNumbers();
  }

  #showNumbers() {
    byId("webhooks-more").hidden = this.#next === null;
    byId("webhooks-scroll").hidden = this.#shown.length === 0;
    byId("no-webhooks").hidden = this.#shown.length > 0;
  }

  #showRefused(refused) {
    byId("webhooks-refused").hidden = refused.length === 0;
    const lines = refused.map(({ atMs, outcome, why, count }) => {
      const line = document.createElement("li");
      line.textContent = `${momentOf(atMs, Date.now())}: ${outcome}, ${why}${count > 1 ? ` (${count} times)` : ""}`;
      return line;
    });
    byId("refused-rows").replaceChildren(...lines);
    const count = refused.reduce((all, one) => all + one.count, 0);
    setText(byId("refused-count"), `${count.toLocaleString("en")} requests without a valid token of LiveKit`);
  }

  #rowOf(webhook) {
    const row = copyOf("webhook");
    const [time, event, room, who, outcome, changed] = row.children;
    setText(time, momentOf(webhook.atMs, Date.now()));
    const button = event.firstElementChild;
    setText(button.firstElementChild, webhook.event || "not read");
    setText(button.lastElementChild, ` at ${time.textContent}`);
    setText(room.firstElementChild, webhook.room ?? "–");
    setText(who.firstElementChild, webhook.who ?? "–");
    setText(outcome, webhook.outcome);
    setText(changed, webhook.why ?? changesOf(webhook.changed));
    button.addEventListener("click", () => {
      const isOpen = this.#open?.row === row;
      this.#close(false);
      if (!isOpen) void this.#openRow(row, button, webhook);
    });
    return row;
  }

  async #openRow(row, button, { id }) {
    const details = copyOf("webhook-details");
    const find = (selector) => details.querySelector(selector);
    this.#number += 1;
    details.id = `webhook-details-${this.#number}`;
    button.ariaExpanded = "true";
    button.setAttribute("aria-controls", details.id);
    this.#open = { row, button, details };
    row.after(details);
    find(".dry-run").addEventListener("click", () => void this.#play(id, find(".dry-run-result")));
    const { answer, problem } = await this.#ask(`api/livekit/webhooks/${id}`);
    setText(find("code"), answer?.body ? JSON.stringify(answer.body, null, 2) : (problem ?? answer.note));
    find(".dry-run").hidden = !answer?.body;
  }

  #close(keepsFocus) {
    if (!this.#open) return;
    const { button, details } = this.#open;
    button.ariaExpanded = "false";
    button.removeAttribute("aria-controls");
    details.remove();
    this.#open = null;
    if (keepsFocus) button.focus();
  }

  async #play(id, result) {
    const { answer, problem } = await this.#ask(`api/livekit/webhooks/${id}/dry-run`, { method: "POST" });
    setText(result, answer ? told(answer) : problem);
  }
}

const OUTCOMES = {
  changed: "It would change the list",
  unchanged: "It would change nothing that people see",
  unexpected: "It would change nothing, and LiveKit would be asked about the room",
  banned: "It would change nothing that people see: its person is banned",
  ignored: "It says nothing about who is in a room",
  duplicate: "It would change nothing",
};

/** A dry run in sentences. */
function told({ outcome, changed, alreadyApplied, bodyWasCut }) {
  const sentences = [`${OUTCOMES[outcome]}${changed ? `: ${changesOf(changed)}` : ""}.`];
  if (alreadyApplied) sentences.push("If LiveKit repeated it as it is, nothing would happen.");
  if (bodyWasCut) sentences.push("Parts of it were too large to be kept, and seem to differ.");
  return sentences.join(" ");
}

function changesOf(changed) {
  if (!changed) return "–";
  const parts = ["joined", "updated", "left"].filter((kind) => changed[kind].count > 0);
  return parts.map((kind) => `${namesOf(changed[kind])} ${kind}`).join("; ") || "how much is known";
}

function namesOf({ count, first }) {
  const names = first.slice(0, MOST_NAMES);
  const more = count - names.length;
  return `${names.join(", ")}${more > 0 ? ` and ${more.toLocaleString("en")} more` : ""}`;
}
