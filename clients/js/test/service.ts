// A simulated service and the browser around it, with virtual time: its EventSource, fetch, document and network.

import { vi } from "vitest";

import type { Participant, PresenceEvent, RoomListing, RoomState } from "../src/types.js";
import { FakeEventSource, FakeWebSocket } from "./streams.js";
import type { Roster, RosterEntry } from "../src/moderate/types.js";
import { countsOf, rosterOf, type Logged, type Subscriber } from "./subscriber.js";

/** Of every message and answer, in milliseconds. */
export const LATENCY = 20;
/** What the service says that browsers are to wait before they come back. */
export const RETRY = 3_000;
export const HEARTBEAT = 15_000;

/** How the service answers those who want a stream. */
export type Streams = "on" | "off" | "refused" | "hanging";

export function person(identity: string, more: Partial<Participant> = {}): Participant {
  return {
    sid: `PA_${identity}`,
    identity,
    name: identity,
    metadata: "",
    attributes: {},
    kind: "STANDARD",
    joinedAt: 1_000,
    isPublisher: false,
    tracks: [],
    ...more,
  };
}

export class Service {
  readonly rooms = new Map<string, RoomState>();
  isUp = true;
  /** Whether anything reaches it. Open streams break when it ends. */
  isReachable = true;
  /** Nothing arrives any more, and nobody notices. Streams that are open then say nothing ever after. */
  #isSilent = false;
  streams: Streams = "on";
  /** Answers every GET with this. */
  refusal: { status: number; detail?: string; retryAfter?: number } | null = null;
  /** Answers the GET of this room with 429. */
  refusedRoom: string | null = null;
  /** Answers each GET with this. */
  body: unknown;
  hasETags = true;
  /** Streams end before anything was said on them. */
  isCuttingAtOnce = false;
  /** Closes WebSockets with 4503 as soon as they show a token. */
  isBusy = false;
  /** Tokens that it takes; null: it asks for none. */
  tokens: Set<string> | null = null;
  /** What an instance that is behind would show of a room. */
  behind = new Map<string, RoomState>();
  /** Null: the service keeps none. */
  rosters: Map<string, Roster & { version: number }> | null = new Map();
  readonly sources = new Set<FakeEventSource>();
  readonly sockets = new Set<FakeWebSocket>();
  /** What happened, as the feed of events keeps it. */
  log: Logged[] = [];
  readonly requests: {
    path: string;
    headers: Record<string, string>;
    credentials: RequestCredentials | undefined;
  }[] = [];
  opened = 0;
  readonly #page = new FakePage();
  #version = 100;

  constructor() {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- The class below has a `this` of its own.
    const service = this;
    vi.stubGlobal(
      "EventSource",
      class extends FakeEventSource {
        constructor(address: string, init?: EventSourceInit) {
          super(service, address);
          this.withCredentials = init?.withCredentials ?? false;
        }
      },
    );
    vi.stubGlobal(
      "WebSocket",
      class extends FakeWebSocket {
        constructor(address: string) {
          super(service, address);
        }
      },
    );
    vi.stubGlobal("fetch", (address: string, init: RequestInit) => this.#answer(address, init));
    vi.stubGlobal("document", this.#page);
    vi.stubGlobal("window", this.#page);
    vi.stubGlobal("location", new URL("https://app.example.com/call"));
    setInterval(() => this.#tell((one) => this.#beat(one)), HEARTBEAT);
  }

  /** Somebody comes or goes, and those who watch are told. */
  change(room: string, participants: readonly Participant[]): void {
    const before = this.rooms.get(room) ?? { version: 0, participants: [] };
    // Nobody is so far behind that they know nothing of a room.
    if (before.version) this.behind.set(room, before);
    const now = {
      version: (this.#version += 7),
      participants: [...participants].sort((a, b) => a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1)),
    };
    this.rooms.set(room, now);
    this.#tell((source) => source.tellChange(room, before, now));
  }

  /** The roster of a room is another, and those who watch it are told. */
  changeRoster(room: string, entries: readonly RosterEntry[]): void {
    const before = this.rosterOf(room);
    const now = rosterOf(entries, (this.#version += 7));
    this.rosters!.set(room, now);
    this.#tell((source) => source.tellRoster(room, before, now));
  }

  rosterOf(room: string): Roster & { version: number } {
    return this.rosters!.get(room) ?? rosterOf([], 0);
  }

  stateOf(room: string, isBehind = false): RoomState {
    return (isBehind && this.behind.get(room)) || this.rooms.get(room) || { version: 0, participants: [] };
  }

  /** Something happens that the feed of events tells. */
  happen(event: string, room: string | null, data: PresenceEvent["data"] = {}): PresenceEvent {
    const number = this.log.length + 1;
    const of = room === null ? {} : { room };
    const happened: PresenceEvent = { id: `EV_${number}`, type: "livekit", event, ...of, data, timestamp: Date.now() };
    const logged = { id: `${Date.now()}-${number}`, event: happened };
    this.log.push(logged);
    this.#tell((source) => source.tellEvent(logged));
    return happened;
  }

  /** The list of rooms. */
  listing(): RoomListing[] {
    const list = [...this.rooms].map(([name, state]) => {
      const counts = countsOf(state);
      const numParticipants = counts.people + counts.agents;
      return { name, numParticipants, exact: true, ...counts, startedAt: 1_000 };
    });
    return list.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  stop(): void {
    this.isUp = false;
    this.breakStreams();
  }

  breakStreams(): void {
    for (const one of this.#subscribers) one.break();
  }

  /** Ends all open streams, since the identity has newer ones. Who comes back all the same is told to stay away. */
  replaceStreams(): void {
    for (const source of [...this.sources]) {
      source.send("end", { reason: "replaced" });
      source.break();
    }
  }

  get #subscribers(): Subscriber[] {
    return [...this.sources, ...this.sockets];
  }

  /** The feed of events has heartbeats that no page sees. */
  #beat(one: Subscriber): void {
    if (!one.address.pathname.endsWith("/events")) one.send("heartbeat", { t: Date.now(), every: HEARTBEAT });
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    if (isSilent) for (const one of this.#subscribers) one.isDead = true;
  }

  hide(isHidden: boolean): void {
    this.#page.hidden = isHidden;
    this.emit("visibilitychange");
  }

  emit(event: string): void {
    this.#page.dispatchEvent(new Event(event));
  }

  /** How many listeners the page has. */
  get listeners(): number {
    return this.#page.count;
  }

  get openStreams(): number {
    return [...this.sources].filter(({ readyState }) => readyState !== 2).length;
  }

  allows(token: string | null): boolean {
    return !this.tokens || (token !== null && this.tokens.has(token));
  }

  #tell(act: (one: Subscriber) => void): void {
    if (this.isUp && this.isReachable && !this.isSilent) for (const one of this.#subscribers) act(one);
  }

  async #answer(address: string, init: RequestInit): Promise<Response> {
    const url = new URL(address, location.href);
    const headers = init.headers as Record<string, string>;
    this.requests.push({ path: url.pathname + url.search, headers, credentials: init.credentials });
    await new Promise((resolve, reject) => {
      // Nobody answers who is silent: the request ends with the patience of the page.
      if (!this.isSilent) setTimeout(resolve, LATENCY);
      init.signal!.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    });
    if (!this.isUp || !this.isReachable || this.isSilent) throw new TypeError("Failed to fetch");
    const { refusal } = this;
    if (refusal) return problem(refusal.status, refusal.detail, refusal.retryAfter);
    if (!this.allows(headers["Authorization"]?.replace("Bearer ", "") ?? null)) return problem(401, "show a token");
    if (url.pathname.endsWith("/rooms")) {
      const list = this.listing().filter(({ name }) => name.startsWith(url.searchParams.get("prefix") ?? ""));
      return json(this.body ?? list, JSON.stringify(list.length), headers);
    }
    if (url.pathname.endsWith("/roster")) return this.#answerRoster(url);
    if (url.pathname.endsWith("/events")) return new Response("", { headers: { "Content-Type": "text/event-stream" } });
    const room = url.searchParams.get("room")!;
    if (room === this.refusedRoom) return problem(429, "slow down", 1);
    if (this.body) return json(this.body, null, headers);
    const { version, participants } = this.stateOf(room);
    if (url.searchParams.get("view") === "count")
      return json({ ...countsOf({ version, participants }), version }, null, headers);
    return json(participants, this.hasETags ? `"${version}"` : null, headers);
  }

  /** A page of a roster. */
  #answerRoster(url: URL): Response {
    if (!this.rosters) return problem(404, "there is no roster here: `history.url` is not set");
    const room = url.pathname.split("/").at(-2)!;
    const { onlineCount, totalCount, entries } = this.rosterOf(decodeURIComponent(room));
    const after = url.searchParams.get("after") ?? "";
    const rest = entries.filter(({ identity }) => identity > after);
    const page = rest.slice(0, ROSTER_PAGE);
    const next = rest.length > ROSTER_PAGE ? { next: page.at(-1)!.identity } : {};
    return json({ room, onlineCount, totalCount, entries: page, ...next }, null, {});
  }
}

/** How many entries of a roster are in one answer. */
const ROSTER_PAGE = 2;

function json(body: unknown, etag: string | null, headers: Record<string, string>): Response {
  if (headers["If-None-Match"] === etag) return new Response(null, { status: 304 });
  return new Response(JSON.stringify(body), { headers: etag ? { ETag: etag } : {} });
}

function problem(status: number, detail = "no", retryAfter?: number): Response {
  return new Response(JSON.stringify({ status, detail }), {
    status,
    headers: retryAfter ? { "Retry-After": String(retryAfter) } : {},
  });
}

/** The document and the window in one. */
class FakePage extends EventTarget {
  hidden = false;
  count = 0;

  // Without the options of newer browsers: those before Chrome 90 and Safari 15 do not know `signal`.
  override addEventListener(type: string, listener: EventListener): void {
    super.addEventListener(type, listener);
    this.count += 1;
  }

  override removeEventListener(type: string, listener: EventListener): void {
    super.removeEventListener(type, listener);
    this.count -= 1;
  }
}
