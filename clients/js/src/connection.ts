import { emptyLists, type Lists, type Delta, type Snapshot } from "./lists.js";
import { NO_TOKEN, REPLACED, UNREACHABLE, get, queryOf, type Credentials, type Refusal } from "./service.js";
import type { Link, PresenceError, RoomListing, Status } from "./types.js";

/** In milliseconds. An enum of constants costs nothing in what browsers load. */
const enum Millis {
  TOKEN_WITHIN = 10_000,
  OPEN_WITHIN = 10_000,
  /** The browser reopens a stream by itself, once the time that the service set (up to 5 s) is over. */
  REOPEN_WITHIN = 16_000,
  /** Until the service has said how often its heartbeats come. */
  USUAL_HEARTBEAT = 15_000,
  SHORTEST_BACKOFF = 1_000,
  LONGEST_BACKOFF = 30_000,
  SHORTEST_POLL = 5_000,
  LONGEST_POLL = 15_000,
  STAYS_WHEN_HIDDEN = 60_000,
  /** What `setTimeout` can hold, or less. */
  LONGEST_TIMER = 86_400_000,
}
const enum Times {
  /** So many heartbeats are missing when a stream is taken for dead. */
  MISSED_HEARTBEATS = 3,
  POLLS_GROW_BY = 1.2,
}

/** What a connection tells whoever holds it. */
export interface Listener {
  /** Something that is shown is different. */
  onChange(): void;
  /** A list or a change that is shown from now on, and the version that was until then. */
  onMessage?(message: Message, before: number | undefined): void;
}

export type Message = Snapshot | Delta;

/** What a watch looks at. */
export interface Feed {
  readonly link: Link;
  readonly lists: Lists;
  setRooms(rooms: ReadonlySet<string>): void;
  /** The page was hidden or shown. While it is hidden it stays up to date for `stays` milliseconds, or for as long as is usual. */
  setVisible(isVisible: boolean, stays: number | undefined): void;
  /** The machine was connected to a network, or lost it. */
  setOnline(isOnline: boolean): void;
  /** Begins, or begins again after `suspend`. */
  resume(): void;
  /** Lets go of all that is open. */
  suspend(): void;
  reconnect(): void;
  close(): void;
}

type Timer = "retry" | "watchdog" | "poll" | "sleep" | "renewal";

/** What `connect` returns: a feed that can also be of the list of rooms. */
export interface Connection extends Feed {
  /** Null while it is not known, and for a connection of rooms. */
  readonly roomList: readonly RoomListing[] | null;
}

/**
 * One connection to the service: a stream of some rooms, or, while there is none, their lists, asked for again and again.
 * Without rooms it is the list of rooms that is asked for, and there is no stream.
 *
 * A function and not a class, since its variables are what can be made small for browsers.
 */
export function connect(
  url: string,
  credentials: Credentials,
  listener: Listener,
  rooms?: ReadonlySet<string>,
): Connection {
  const lists = emptyLists();
  let link: Link = { status: "connecting", error: null, lastEventAt: null };
  let roomList: readonly RoomListing[] | null = null;
  /** Of the list of rooms. That of a room's list is its version. */
  let roomListEtag: string | null | undefined;
  let stream: EventSource | undefined;
  let isOpen = false;
  /** The stream of one room has sent its list. */
  let hasList = false;
  let isVisible = true;
  /** How long it stays when it is hidden, in milliseconds. If that is not said it is a minute, without polls. */
  let stays: number | undefined;
  /** Nothing is open, and nothing is tried: nobody looks, or it is closed. */
  let isAsleep = true;
  /** Who has begun something checks after each wait whether that is still the newest. */
  let attempt = 0;
  /** Since a list came by stream. */
  let failures = 0;
  /** Since something was granted. */
  let refusals = 0;
  let heartbeatEvery: number = Millis.USUAL_HEARTBEAT;
  let heardAt = 0;
  let pollAfter: number = Millis.SHORTEST_POLL;
  const timers: Partial<Record<Timer, ReturnType<typeof setTimeout>>> = {};

  const canStream = () => rooms && globalThis.EventSource;
  /** Whether each room has a list, though it may be an old one. */
  const isComplete = () => [...rooms!].every((room) => lists.shown.has(room));
  const isOneOf = (...statuses: Status[]) => statuses.includes(link.status);

  /** Opens what is not refused or closed for good. */
  function begin(): void {
    isAsleep = false;
    if (!isVisible) waitForSleep();
    if (!isOneOf("error", "closed")) open();
  }

  function waitForSleep(): void {
    if (stays === Infinity) stop("sleep");
    else after("sleep", stays ?? Millis.STAYS_WHEN_HIDDEN, suspend);
  }

  /** Begins anew, with a stream. What is shown stays until there is news. */
  function open(): void {
    letGo();
    // Otherwise the status stays while rooms come, tokens are renewed, and what failed is tried again.
    if (!lists.shown.size && isOneOf("live")) become("connecting");
    void withToken((token) => {
      // The stream goes on until the next token is there.
      after("renewal", credentials.freshFor(), () => withToken(open));
      if (rooms?.size === 0) become("live");
      else if (canStream()) listen(new EventSource(streamAddress(token)));
      else ask();
    });
  }

  async function withToken(act: (token: string | undefined, isOutdated: () => boolean) => unknown): Promise<void> {
    const own = attempt;
    const isOutdated = () => own !== attempt;
    try {
      // Nothing is polled until the token is there.
      after("poll", Millis.TOKEN_WITHIN, () => fail(NO_TOKEN));
      const token = await credentials.get();
      if (isOutdated()) return;
      stop("poll");
      await act(token, isOutdated);
    } catch (refusal) {
      // Whatever else was thrown may have the address in it, and so the token.
      if (!isOutdated()) fail("status" in (refusal as Refusal) ? (refusal as Refusal) : UNREACHABLE);
    }
  }

  function streamAddress(token: string | undefined): string {
    const [only] = rooms!;
    const query = queryOf(rooms!);
    // An EventSource sends no headers, so here the token stands in the address. In a header `fetch` trims it.
    if (token) query.append("access_token", token.trim());
    if (rooms!.size > 1) return `${url}/api/livekit/rooms/stream?${query}`;
    const shown = lists.shown.get(only!);
    if (shown) query.append("last_event_id", `${shown.version}`);
    return `${url}/api/livekit/participants/stream?${query}`;
  }

  function listen(opened: EventSource): void {
    stream = opened;
    // A proxy that keeps streams to itself must not keep the polls waiting.
    watch(isOneOf("polling") ? Millis.SHORTEST_POLL : Millis.OPEN_WITHIN);
    const on = <Data>(event: string, act: (data: Data, id: string) => void) =>
      opened.addEventListener(event, ({ data, lastEventId }: MessageEvent<string>) => {
        act(JSON.parse(data) as Data, lastEventId);
        if (opened === stream) hear();
      });
    opened.onerror = () => {
      if (!isOpen || opened.readyState === 2 /* CLOSED */) return lose();
      // The browser comes back by itself, after the time that the service set.
      isOpen = hasList = false;
      watch(Millis.REOPEN_WITHIN);
      become("connecting");
    };
    on<Snapshot["participants"]>("participants:update", (participants, id) => {
      const [room] = rooms!;
      // The service was told which version is shown, and sends nothing before it is as new or knows that it lost that.
      take({ room: room!, version: Number(id), participants, replaces: !hasList });
      hasList = true;
    });
    on("room:snapshot", take<Snapshot>);
    on("room:delta", take<Delta>);
    on<{ reason: string }>("end", ({ reason }) => {
      if (reason !== "replaced") return;
      // Whatever comes back by itself would have another one ended, which would come back in its turn.
      letGo();
      become("error", REPLACED);
    });
    on<{ every?: number }>("heartbeat", ({ every }) => {
      heartbeatEvery = every ?? Millis.USUAL_HEARTBEAT;
    });
  }

  /** A sign of life. */
  function hear(): void {
    // The service says something as soon as a stream is open; a proxy alone would not.
    isOpen = true;
    heardAt = Date.now();
    watch(Times.MISSED_HEARTBEATS * heartbeatEvery);
    if (isComplete()) {
      failures = refusals = 0;
      become("live");
    }
  }

  function take<Taken extends Message>(message: Taken): void {
    const { room } = message;
    const before = lists.shown.get(room)?.version;
    const effect = "prev" in message ? lists.fold(message) : lists.replace(message);
    if (effect === "changed") {
      changed();
      const isNext = "prev" in message && message.prev === before;
      listener.onMessage?.(isNext ? message : { room, ...lists.shown.get(room)! }, before);
    } else if (effect === "gap") {
      letGo();
      become("connecting");
      retry();
    }
  }

  function changed(): void {
    pollAfter = Millis.SHORTEST_POLL;
    link = { ...link, lastEventAt: Date.now() };
    listener.onChange();
  }

  /** The stream is of no use. An EventSource does not tell why; who asks for the list is told. */
  function lose(): void {
    letGo();
    if (isOneOf("live")) become("connecting");
    ask();
  }

  /** Asks for the lists. */
  function ask(): void {
    void withToken(async (token, isOutdated) => {
      const keys = [...(rooms ?? [""])];
      // Many rooms are a stream's business: it is tried once more before they are all asked for.
      const isPolling = keys.length === 1 || failures > 0 || !canStream();
      await Promise.all(
        keys.slice(0, isPolling ? keys.length : 1).map(async (key) => {
          const version = lists.shown.get(key)?.version;
          const path = `${url}/api/livekit/${rooms ? `participants?${queryOf([key])}` : "rooms"}`;
          const { etag, body } = await get(path, token, version ? `"${version}"` : roomListEtag);
          if (body && !isOutdated()) takeList(key, etag, body);
        }),
      );
      if (isOutdated()) return;
      refusals = 0;
      become(isPolling ? "polling" : "connecting");
      if (isPolling && (isVisible || stays)) after("poll", pollAfter, ask);
      if (rooms) pollAfter = Math.min(pollAfter * Times.POLLS_GROW_BY, Millis.LONGEST_POLL);
      if (!canStream()) failures = 0;
      else if (!timers.retry) retry();
    });
  }

  function takeList(room: string, etag: string | null | undefined, list: unknown): void {
    if (rooms) {
      // A proxy that compresses makes a weak one of it: W/"17".
      const version = Number(/\d+/.exec(etag ?? "0"));
      take({ room, version, participants: list as Snapshot["participants"] });
    } else {
      roomListEtag = etag;
      roomList = list as RoomListing[];
      changed();
    }
  }

  function fail({ status, message, retryAfter }: Refusal): void {
    letGo();
    if (status === 401 && credentials.forget(refusals++)) return open();
    const isFinal = [400, 401, 403].includes(status);
    become(isFinal ? "error" : "disconnected", { status, message });
    if (!isFinal) retry(retryAfter);
    // It lives, and said when to come back.
    if (retryAfter) heardAt = Date.now() + retryAfter;
  }

  /** Tries to have a stream again, at some moment of a time that doubles (full jitter), and not before `notBefore`. */
  function retry(notBefore = 0): void {
    const backoff = Math.min(Millis.SHORTEST_BACKOFF * 2 ** failures++, Millis.LONGEST_BACKOFF);
    after("retry", notBefore + Math.random() * backoff, open);
  }

  function watch(patience: number): void {
    after("watchdog", patience, lose);
  }

  /** Closes the stream and stops all that would happen next. What was begun before ends without effect. */
  function letGo(): void {
    stream?.close();
    stream = undefined;
    isOpen = hasList = false;
    for (const timer of ["retry", "watchdog", "poll", "renewal"] as const) stop(timer);
    attempt++;
  }

  function become(status: Status, error: PresenceError | null = null): void {
    if (isOneOf("closed") || (isOneOf(status) && link.error?.message === error?.message)) return;
    link = { ...link, status, error };
    listener.onChange();
  }

  function after(timer: Timer, millis: number, act: () => void): void {
    stop(timer);
    timers[timer] = setTimeout(
      () => {
        stop(timer);
        act();
      },
      Math.min(millis, Millis.LONGEST_TIMER),
    );
  }

  function stop(timer: Timer): void {
    clearTimeout(timers[timer]);
    delete timers[timer];
  }

  function suspend(): void {
    isAsleep = true;
    letGo();
    if (!isOneOf("error")) become("disconnected");
  }

  function reconnect(): void {
    if (isOneOf("closed")) return;
    failures = refusals = 0;
    become("connecting");
    begin();
  }

  return {
    lists,
    get link() {
      return link;
    },
    get roomList() {
      return roomList;
    },
    setRooms(newRooms) {
      if (`${queryOf(rooms!)}` === `${queryOf(newRooms)}`) return;
      rooms = newRooms;
      lists.keep(rooms);
      if (!isAsleep && link.error !== REPLACED) open();
      listener.onChange();
    },
    setVisible(isShown, staysNow) {
      const isSame = isShown === isVisible && (isShown || staysNow === stays);
      isVisible = isShown;
      stays = staysNow;
      if (isSame) return;
      if (!isShown) return waitForSleep();
      stop("sleep");
      // Nothing was polled while nobody looked. Or a heartbeat did not come: some browsers do not notice that a stream is dead.
      if (isAsleep || isOneOf("polling") || Date.now() > heardAt + heartbeatEvery + Millis.SHORTEST_BACKOFF) begin();
    },
    setOnline(isOnline) {
      if (isAsleep || isOneOf("error")) return;
      if (!isOnline) fail(UNREACHABLE);
      else if (!isOneOf("live")) reconnect();
    },
    suspend,
    resume() {
      if (isAsleep) begin();
    },
    reconnect,
    close() {
      become("closed");
      suspend();
      stop("sleep");
    },
  };
}
