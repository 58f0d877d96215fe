// The state of the connection, at the top of the page.

import { byId, setText } from "./parts.js";
import { accessToken } from "./token.js";
import { clockTime } from "./time.js";

const STATES = {
  connecting: "Connecting…",
  live: "Live",
  polling: "Polling",
  disconnected: "Disconnected",
  error: "Error",
  closed: "Closed",
};
/** How long the button cuts the connection, in milliseconds. */
const CUT_LASTS = 4_000;
/** The connection would try again before the cut is over. */
const CUT_AGAIN_EVERY = 200;

export class ConnectionState {
  #shown = null;
  #lastLive = null;

  /** Shows a status of the package, and the reason for it. */
  show({ status, error }) {
    if (status === "live") this.#lastLive = new Date();
    const shown = `${status} ${error?.message}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    byId("link").dataset.state = status;
    setText(byId("link-state"), STATES[status]);
    // A connection that has given up cannot be cut.
    byId("cut").hidden = status === "error";
    if (status !== "connecting")
      document.body.classList.toggle("is-old", status === "disconnected" || status === "error");
    // The reason stays while the connection is tried again, so that the page does not jump.
    if (error) this.#showProblem(status, error);
    else if (status === "live" || status === "polling") this.#hideProblem();
    else setText(byId("problem-wait"), "Trying again…");
  }

  beat() {
    byId("dot").classList.add("beat");
  }

  #showProblem(status, { status: httpStatus, message }) {
    const isAboutToken = httpStatus === 401 || httpStatus === 403;
    const sentence = message.charAt(0).toUpperCase() + message.slice(1);
    byId("problem-text").replaceChildren(...withCode(/[.!?]$/u.test(sentence) ? sentence : `${sentence}.`));
    // Without a token, the page says only that it needs one.
    byId("problem-reason").hidden = isAboutToken && !accessToken;
    byId("problem-token").hidden = !isAboutToken;
    setText(byId("problem-address"), new URL("#access_token=TOKEN", location).href);
    setText(byId("problem-since"), this.#lastLive ? `What you see is from ${clockTime(this.#lastLive)}.` : "");
    setText(byId("problem-wait"), status === "disconnected" ? "It is tried again by itself." : "");
    byId("problem").hidden = false;
    setText(byId("link-reason"), byId("problem-message").innerText);
  }

  #hideProblem() {
    byId("problem").hidden = true;
    setText(byId("link-reason"), "");
  }
}

/** Cuts the connection for a while, as a lost network would, to show how it recovers. */
export function cutConnection() {
  const button = byId("cut");
  // The button stays in place, and keeps the keyboard focus.
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  const cut = () => dispatchEvent(new Event("offline"));
  cut();
  const again = setInterval(cut, CUT_AGAIN_EVERY);
  setTimeout(() => {
    clearInterval(again);
    dispatchEvent(new Event("online"));
    button.ariaDisabled = "false";
  }, CUT_LASTS);
}

/** The service writes code between backticks. */
function withCode(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}
