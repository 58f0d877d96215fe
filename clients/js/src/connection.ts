// One connection to the service, put together from its parts in ./connection: when it opens, polls, tries again and sleeps.

import { newStatus } from "./connection/status.js";
import { Heartbeat, openStream, streamAddress } from "./connection/stream.js";
import { longerInterval, newAsk, Interval } from "./connection/polling.js";
import { backoff, isFinal } from "./connection/retry.js";
import { emptyLists, type Lists, type Message } from "./lists.js";
import { NO_TOKEN, REPLACED, UNREACHABLE, queryOf, type Credentials, type Refusal } from "./service.js";
import { newTimers, Timer } from "./connection/timers.js";
import type { Link, RoomListing } from "./types.js";

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
  /** A list or a change is now shown. `before` is the version that was shown until then. */
  onMessage?(message: Message, before: number | undefined): void;
}

/** The lists and the link that a watch shows, and what controls them. */
export interface Feed {
  readonly link: Link;
  readonly lists: Lists;
  setRooms(rooms: ReadonlySet<string>): void;
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

/** What `connect` returns: a feed that may also serve the list of rooms. */
export interface Connection extends Feed {
  /** Null before the first answer, and for a connection that watches rooms. */
  readonly roomList: readonly RoomListing[] | null;
}

/**
 * Streams the lists of some rooms, and polls them while there is no stream. Without `rooms` it polls the list of rooms.
 *
 * One long function, and not a class: minifiers shorten the names of its variables, but not of fields and methods.
 */
export function connect(
  url: string,
  credentials: Credentials,
  listener: Listener,
  rooms?: ReadonlySet<string>,
): Connection {
  const schedule = newTimers();
  const lists = emptyLists();
  let roomList: readonly RoomListing[] | null = null;
  let isVisible = true;
  /** How long a hidden page stays connected, in milliseconds. If undefined: for `HIDDEN_TIMEOUT`, without polling. */
  let stays: number | undefined;
  /** No request or stream is open or planned: the feed has not begun, is suspended, or is closed. */
  let isAsleep = true;
  /** Rises with each cancellation: after a wait, what was begun in an earlier attempt is outdated. */
  let attempt = 0;
  /** Failed attempts in a row to get a stream that brings a list of every room. */
  let failures = 0;
  /** Tokens refused in a row. */
  let refusals = 0;
  let pollInterval: number = Interval.MIN;
  let heartbeatInterval: number = Heartbeat.USUAL_INTERVAL;
  let lastSignAt = 0;
  let closeStream: (() => void) | undefined;
  const [link, is, setStatus, noteChange] = newStatus(() => listener.onChange());
  const askFor = newAsk(url, credentials, lists, onMessage, (newList) => {
    roomList = newList;
    noteChange();
  });

  const canStream = () => rooms && globalThis.EventSource;

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
    if (!lists.shown.size && is("live")) setStatus("connecting");
    void withToken((token) => {
      // The stream stays open until the next token is there.
      schedule(Timer.RENEWAL, credentials.freshFor(), () => void withToken(open));
      if (rooms?.size === 0) setStatus("live");
      else if (canStream()) stream(token);
      else ask();
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

  function stream(token: string | undefined): void {
    const [only] = rooms!;
    watchOver(is("polling") ? Millis.OPEN_TIMEOUT_WHEN_POLLING : Millis.OPEN_TIMEOUT);
    closeStream = openStream(
      streamAddress(url, rooms!, lists.shown.get(only!), token),
      credentials,
      only!,
      onMessage,
      onSign,
      () => {
        watchOver(Millis.REOPEN_TIMEOUT);
        setStatus("connecting");
      },
      onLost,
      () => {
        // Does not reconnect by itself: the service would end another stream of this identity, which would do the same.
        cancel();
        setStatus("error", REPLACED);
      },
    );
  }

  function watchOver(timeout: number): void {
    schedule(Timer.WATCHDOG, timeout, onLost);
  }

  function onSign(interval = heartbeatInterval): void {
    heartbeatInterval = interval;
    lastSignAt = Date.now();
    watchOver(Heartbeat.MAX_MISSED * interval);
    // Every room has a list, even if an old one.
    if ([...rooms!].every((room) => lists.shown.has(room))) {
      failures = refusals = 0;
      setStatus("live");
    }
  }

  function onMessage(message: Message): void {
    const { room } = message;
    const before = lists.shown.get(room)?.version;
    const effect = "prev" in message ? lists.fold(message) : lists.replace(message);
    if (effect === "changed") {
      pollInterval = Interval.MIN;
      noteChange();
      const isNext = "prev" in message && message.prev === before;
      listener.onMessage?.(isNext ? message : { room, ...lists.shown.get(room)! }, before);
    } else if (effect === "gap") {
      cancel();
      setStatus("connecting");
      retry();
    }
  }

  /** An EventSource does not say why it failed. The answer to a plain request for the list does. */
  function onLost(): void {
    cancel();
    if (is("live")) setStatus("connecting");
    ask();
  }

  // Polling.

  function ask(isRetrying?: boolean): void {
    void withToken(async (token, isOutdated) => {
      // With many rooms, the first failure asks for one list only, to learn the reason. After a second one all are polled.
      const isPolling = rooms?.size === 1 || failures || !canStream();
      await askFor(rooms && [...rooms].slice(0, isPolling ? Infinity : 1), token, isOutdated);
      if (isOutdated()) return;
      refusals = 0;
      setStatus(isPolling ? "polling" : "connecting");
      if (isPolling && (isVisible || stays)) schedule(Timer.POLL, pollInterval, () => ask(true));
      if (rooms) pollInterval = longerInterval(pollInterval);
      if (!canStream()) failures = 0;
      else if (!isRetrying) retry();
    });
  }

  // Failing.

  function fail({ status, message, retryAfter }: Refusal): void {
    cancel();
    if (status === 401 && credentials.forget(refusals++)) return open();
    setStatus(isFinal(status) ? "error" : "disconnected", { status, message });
    if (!isFinal(status)) retry(retryAfter);
    // The service is alive, and has said when to come back: a page that is shown again waits until then.
    if (retryAfter) lastSignAt = Date.now() + retryAfter;
  }

  /** Opens a stream again, after at least `delay` milliseconds. */
  function retry(delay = 0): void {
    schedule(Timer.RETRY, delay + backoff(failures++), open);
  }

  /** Closes the stream and stops everything that would happen next. What has begun ends without effect. */
  function cancel(): void {
    closeStream?.();
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
    lists,
    get link() {
      return link();
    },
    get roomList() {
      return roomList;
    },
    setRooms(newRooms) {
      if (`${queryOf(rooms!)}` === `${queryOf(newRooms)}`) return;
      rooms = newRooms;
      lists.keep(rooms);
      if (!isAsleep && link().error !== REPLACED) open();
      listener.onChange();
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
