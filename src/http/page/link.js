// The link to the service. It asks which rooms there are every few seconds, and watches them on one EventSource.

import { Problem, askForRooms, streamAddress, whyNot } from "./service.js";

/** An EventSource that is not open by then is given up. */
const OPEN_WITHIN = 10_000;
/** Until heartbeats have told. */
const USUAL_HEARTBEAT = 15_000;
/** After so many without a sign of life the stream counts as dead. */
const MISSED_HEARTBEATS = 3;
const SHORTEST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/**
 * Stays in touch: live, connecting or disconnected. Knows nothing of what the messages mean.
 *
 * Its listener has `onRooms(list)`, which returns the names to watch, `onSnapshot(snapshot)`, `onDelta(delta)`,
 * `onSignOfLife()`, `onServiceTime(ms)`, `onState(state, problem)` and `onWait(seconds)`.
 */
export class Link {
  #listener;
  #state = "connecting";
  #isAsking = false;
  #source = null;
  #rooms = [];
  #isOpen = false;
  /** By when something must be heard. */
  #deadline = Infinity;
  #heartbeatEvery = USUAL_HEARTBEAT;
  #lastHeartbeat = null;
  #heartbeatGaps = [];
  #failures = 0;
  /** Null while nothing has failed. */
  #retryAt = null;

  constructor(listener) {
    this.#listener = listener;
  }

  /** Asks which rooms there are, and watches those that the listener wants of them. */
  async refresh() {
    if (this.#isAsking || this.#retryAt !== null) return;
    this.#isAsking = true;
    const answer = await askForRooms().catch((problem) => problem);
    this.#isAsking = false;
    if (answer instanceof Error) {
      // An open stream is right without the list, and fails by itself if it must.
      if (!this.#source && this.#retryAt === null) this.#fail(answer);
    } else {
      this.#watch(this.#listener.onRooms(answer));
    }
  }

  retryNow() {
    if (this.#retryAt === null) return;
    this.#retryAt = null;
    this.#become("connecting");
    this.refresh();
  }

  /** Forgets what is open, and begins anew soon: a message is missing. */
  startOver() {
    this.#close();
    this.#retryAt = Date.now() + Math.random() * SHORTEST_WAIT;
  }

  /** To be called every second. */
  tick(now) {
    if (this.#retryAt === null) {
      if (this.#source && now > this.#deadline) this.#fail(new Problem("the stream has gone silent"));
    } else if (now >= this.#retryAt) {
      this.retryNow();
    } else if (this.#state === "disconnected") {
      this.#listener.onWait(Math.ceil((this.#retryAt - now) / 1_000));
    }
  }

  #watch(rooms) {
    const isSame = rooms.length === this.#rooms.length && rooms.every((room, index) => room === this.#rooms[index]);
    if (this.#source && isSame) return;
    this.#rooms = rooms;
    // An answer can come while a retry is due, when it was asked for before the stream failed.
    this.#retryAt = null;
    if (rooms.length > 0) {
      this.#open();
    } else {
      // A stream needs a room. Without one the list alone shows that the service is there.
      this.#close();
      this.#failures = 0;
      this.#become("live");
    }
  }

  /** Opens the stream. What was open is closed first: what is shown stays until the new snapshots come. */
  #open() {
    this.#close();
    const source = new EventSource(streamAddress(this.#rooms));
    this.#source = source;
    this.#deadline = Date.now() + OPEN_WITHIN;
    source.onopen = () => {
      this.#isOpen = true;
      this.#heard();
      this.#become("live");
    };
    source.onerror = () => this.#onError(source);
    source.addEventListener("room:snapshot", (event) => {
      this.#failures = 0;
      this.#heard();
      this.#listener.onSnapshot(JSON.parse(event.data));
    });
    source.addEventListener("room:delta", (event) => {
      this.#heard();
      this.#listener.onDelta(JSON.parse(event.data));
    });
    source.addEventListener("heartbeat", (event) => this.#onHeartbeat(JSON.parse(event.data).t));
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#isOpen = false;
    this.#lastHeartbeat = null;
    this.#deadline = Infinity;
  }

  #heard() {
    this.#deadline = Date.now() + MISSED_HEARTBEATS * this.#heartbeatEvery;
    this.#listener.onSignOfLife();
  }

  #onHeartbeat(serviceTime) {
    if (this.#lastHeartbeat !== null) this.#heartbeatGaps.push(serviceTime - this.#lastHeartbeat);
    this.#lastHeartbeat = serviceTime;
    this.#heartbeatGaps.splice(0, this.#heartbeatGaps.length - 5);
    // The longest of some, as a stream's first heartbeats can come close together.
    if (this.#heartbeatGaps.length > 1) {
      this.#heartbeatEvery = Math.min(Math.max(...this.#heartbeatGaps, 1_000), 60_000);
    }
    this.#heard();
    this.#listener.onServiceTime(serviceTime);
  }

  async #onError(source) {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#lastHeartbeat = null;
    this.#become("connecting");
    if (wasOpen && source.readyState === EventSource.CONNECTING) {
      // An orderly end, or a broken connection: the browser comes back by itself, after the time that the service set.
      this.#deadline = Date.now() + OPEN_WITHIN;
      return;
    }
    source.close();
    this.#deadline = Infinity;
    const problem = await whyNot(this.#rooms);
    if (source === this.#source) this.#fail(problem ?? new Problem("the stream was interrupted"));
  }

  #fail(problem) {
    this.#close();
    const patience = Math.min(SHORTEST_WAIT * 2 ** this.#failures, LONGEST_WAIT);
    // Time alone makes no token better.
    const wait = problem.isAboutToken ? LONGEST_WAIT : patience;
    this.#failures += 1;
    // Jitter, lest all pages come back in the same moment.
    this.#retryAt = Date.now() + Math.max(wait * (0.75 + Math.random() / 2), SHORTEST_WAIT, problem.retryAfter);
    this.#become("disconnected", problem);
    this.tick(Date.now());
  }

  #become(state, problem = null) {
    if (state === this.#state && !problem) return;
    this.#state = state;
    this.#listener.onState(state, problem);
  }
}
