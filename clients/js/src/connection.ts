// One connection to the service, put together from its parts in ./connection: when it opens, polls, tries again and sleeps.

import { newStatus } from "./connection/status.js";
import { Heartbeat, openEventSource } from "./connection/stream.js";
import { longerInterval, Interval } from "./connection/polling.js";
import { backoff, isFinal } from "./connection/retry.js";
import { NO_TOKEN, REPLACED, UNREACHABLE, type Credentials, type Refusal } from "./service.js";
import { newTimers, Timer } from "./connection/timers.js";
import { Effect, type LoadSocket, type Stream, type Topic } from "./connection/topic.js";
import type { Link } from "./types.js";

const enum Millis {
  TOKEN_TIMEOUT = 10_000,
  OPEN_TIMEOUT = 10_000,
  /** Shorter while lists are polled: a proxy that holds back streams must not delay the polls for long. */
  OPEN_TIMEOUT_WHEN_POLLING = 5_000,
  /** The browser opens a lost stream again by itself, after the delay that the service set (up to 5 s). */
  REOPEN_TIMEOUT = 16_000,
  /** How late a heartbeat may be before a page that is shown again reconnects. */
  HEARTBEAT_DELAY = 1_000,
  /** How long a hidden page stays connected, if its `whenHidden` does not say. */
  HIDDEN_TIMEOUT = 60_000,
}

/** What a connection tells its owner. */
export interface Listener {
  /** Something that is shown is different. */
  onChange(): void;
}

/** The link that a watch shows, and what controls it. */
export interface Feed {
  link(): Link;
  /** The page was hidden or shown. A hidden page stays connected for `stays` milliseconds; for a minute, if undefined. */
  setVisible(isVisible: boolean, stays: number | undefined): void;
  /** The machine was connected to a network, or lost it. */
  setOnline(isOnline: boolean): void;
  /** Begins, or begins again after `suspend`. */
  resume(): void;
  /** Closes everything that is open, until `resume`. */
  suspend(): void;
  reconnect(): void;
  close(): void;
}

/** What `connect` returns. */
export interface Connection extends Feed {
  /** The rooms of the topic are others now: changes them on the open stream, or opens another one. */
  readonly setRooms: (before: ReadonlySet<string>, now: ReadonlySet<string>) => void;
}

/**
 * Streams a topic, and polls it while there is no stream.
 *
 * One long function, and not a class: minifiers shorten the names of its variables, but not of fields and methods.
 */
export function connect(
  url: string,
  credentials: Credentials,
  listener: Listener,
  topic: Topic,
  loadSocket?: LoadSocket,
): Connection {
  const schedule = newTimers();
  let isVisible = true;
  /** How long a hidden page stays connected, in milliseconds. If undefined: for `HIDDEN_TIMEOUT`, without polling. */
  let stays: number | undefined;
  /** No request or stream is open or planned: the feed has not begun, is suspended, or is closed. */
  let isAsleep = true;
  /** Rises with each cancellation: after a wait, what was begun in an earlier attempt is outdated. */
  let attempt = 0;
  /** Failed attempts in a row to get a stream that brings all that is watched. */
  let failures = 0;
  /** Tokens refused in a row. */
  let refusals = 0;
  let pollInterval: number = Interval.MIN;
  let heartbeatInterval: number = Heartbeat.USUAL_INTERVAL;
  let lastSignAt = 0;
  let stream: Stream | undefined;
  /** Nothing of the topic has come since the stream opened. */
  let isFirst: boolean;
  const [link, is, setStatus, noteChange] = newStatus(() => listener.onChange());

  const canStream = (): unknown => (loadSocket ? globalThis.WebSocket : globalThis.EventSource);

  // Opening.

  /** Begins, unless the service has refused for good, or the connection is closed. */
  function begin(): void {
    isAsleep = false;
    if (!isVisible) sleepLater();
    if (!is("error") && !is("closed")) open();
  }

  function sleepLater(): void {
    schedule(Timer.SLEEP, stays ?? Millis.HIDDEN_TIMEOUT, suspend);
  }

  /** Opens a stream instead of what is open. What is shown stays until something newer comes. */
  function open(): void {
    cancel();
    // With something to show, the status stays while rooms are added, tokens are renewed, and a stream is tried again.
    if (!topic.hasSome() && is("live")) setStatus("connecting");
    void withToken(async (token, isOutdated) => {
      // The stream stays open until the next token is there. A socket renews its own.
      schedule(Timer.RENEWAL, loadSocket ? Infinity : credentials.freshFor(), () => void withToken(open));
      const query = new URLSearchParams();
      const path = topic.path(query);
      if (!path) return setStatus("live");
      if (!canStream()) return ask();
      // An EventSource sends no headers, so the token goes into the address. In a header, `fetch` trims it.
      if (token && !loadSocket) query.append("access_token", token.trim());
      watchOver(is("polling") ? Millis.OPEN_TIMEOUT_WHEN_POLLING : Millis.OPEN_TIMEOUT);
      const openStream = loadSocket ? (await loadSocket()).openSocket : openEventSource;
      if (isOutdated()) return;
      isFirst = true;
      const names = [...Object.keys(topic.on), "heartbeat", "end"];
      stream = openStream(`${url}/api/${path}?${query}`, token, credentials, names, onEvent, onReopening, onLost);
    });
  }

  /** Gets a token and calls `act` with it. A refusal or another failure of `act` is handled here. */
  async function withToken(act: (token: string | undefined, isOutdated: () => boolean) => unknown): Promise<void> {
    const own = attempt;
    const isOutdated = () => own !== attempt;
    try {
      // Uses the poll's timer, because the next poll has to wait for the token anyway.
      schedule(Timer.POLL, Millis.TOKEN_TIMEOUT, () => fail(NO_TOKEN));
      const token = await credentials.get();
      if (isOutdated()) return;
      schedule(Timer.POLL);
      await act(token, isOutdated);
    } catch (refusal) {
      // The message of any other error may contain the address, and so the token.
      if (!isOutdated()) fail("status" in (refusal as Refusal) ? (refusal as Refusal) : UNREACHABLE);
    }
  }

  // Streaming.

  function watchOver(timeout: number): void {
    schedule(Timer.WATCHDOG, timeout, onLost);
  }

  function onEvent(name: string, data: unknown, id: string): void {
    const own = attempt;
    if (name === "heartbeat") {
      heartbeatInterval = (data as { every?: number }).every ?? Heartbeat.USUAL_INTERVAL;
    } else if (name === "end") {
      // Does not reconnect by itself: the service would end another stream of this identity, which would do the same.
      if ((data as { reason: string }).reason === "replaced") fail(REPLACED);
    } else {
      note(topic.on[name]!(data as never, id, isFirst));
      isFirst = false;
    }
    // It may have closed the stream.
    if (own !== attempt) return;
    lastSignAt = Date.now();
    if (topic.quietTimeout) schedule(Timer.WATCHDOG, topic.quietTimeout, open);
    else watchOver(Heartbeat.MAX_MISSED * heartbeatInterval);
    if (topic.hasAll()) {
      failures = refusals = 0;
      setStatus("live");
    }
  }

  function onReopening(): void {
    isFirst = true;
    watchOver(Millis.REOPEN_TIMEOUT);
    setStatus("connecting");
  }

  function note(effect: Effect): void {
    if (effect === Effect.CHANGED) {
      pollInterval = Interval.MIN;
      noteChange();
    } else if (effect === Effect.GAP) {
      cancel();
      setStatus("connecting");
      retry();
    }
  }

  /** An EventSource does not say why it failed. The answer to a plain request does. */
  function onLost(refusal?: Refusal): void {
    if (refusal) return fail(refusal);
    cancel();
    if (is("live")) setStatus("connecting");
    ask();
  }

  // Polling.

  function ask(isRetrying?: boolean): void {
    void withToken(async (token, isOutdated) => {
      const isPolling = await topic.ask(token, !canStream() || failures > 0, (take) => isOutdated() || note(take()));
      if (isOutdated()) return;
      refusals = 0;
      setStatus(isPolling ? "polling" : "connecting");
      if (isPolling && (isVisible || stays)) schedule(Timer.POLL, pollInterval, () => ask(true));
      pollInterval = longerInterval(pollInterval);
      if (!canStream()) failures = 0;
      else if (!isRetrying) retry();
    });
  }

  // Failing.

  function fail({ status, message, retryAfter }: Refusal): void {
    cancel();
    if (status === 401 && credentials.forget(refusals++)) return open();
    const isEnd = isFinal(status) || message === REPLACED.message;
    setStatus(isEnd ? "error" : "disconnected", { status, message });
    if (!isEnd) retry(retryAfter);
    // The service is alive, and has said when to come back: a page that is shown again waits until then.
    if (retryAfter) lastSignAt = Date.now() + retryAfter;
  }

  /** Opens a stream again, after at least `delay` milliseconds. */
  function retry(delay = 0): void {
    schedule(Timer.RETRY, delay + backoff(failures++), open);
  }

  /** Closes the stream and stops everything that would happen next. What has begun ends without effect. */
  function cancel(): void {
    stream?.close();
    for (const timer of [Timer.RETRY, Timer.WATCHDOG, Timer.POLL, Timer.RENEWAL]) schedule(timer);
    attempt++;
  }

  function suspend(): void {
    isAsleep = true;
    cancel();
    if (!is("error")) setStatus("disconnected");
  }

  function reconnect(): void {
    if (is("closed")) return;
    failures = refusals = 0;
    setStatus("connecting");
    begin();
  }

  return {
    link,
    setRooms(before, now) {
      if (!isAsleep && link().error?.message !== REPLACED.message && !stream?.setRooms?.(before, now)) open();
    },
    setVisible(isShown, staysNow) {
      const isSame = isShown === isVisible && (isShown || staysNow === stays);
      isVisible = isShown;
      stays = staysNow;
      if (isSame) return;
      if (!isShown) return sleepLater();
      schedule(Timer.SLEEP);
      // A hidden page did not poll. And some browsers do not notice that a stream died; a missing heartbeat tells.
      const isSilent = Date.now() > lastSignAt + heartbeatInterval + Millis.HEARTBEAT_DELAY;
      if (isAsleep || is("polling") || isSilent) begin();
    },
    setOnline(isOnline) {
      if (isAsleep || is("error")) return;
      if (!isOnline) fail(UNREACHABLE);
      else if (!is("live")) reconnect();
    },
    suspend,
    resume() {
      if (isAsleep) begin();
    },
    reconnect,
    close() {
      setStatus("closed");
      suspend();
      schedule(Timer.SLEEP);
    },
  };
}
