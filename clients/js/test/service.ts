// A simulated service and the browser around it, with virtual time: its EventSource, fetch, document and network.

import { vi } from "vitest";

import type { Participant, RoomState } from "../src/types.js";

/** Of every message and answer, in milliseconds. */
const LATENCY = 20;
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
  /** Tokens that it takes; null: it asks for none. */
  tokens: Set<string> | null = null;
  /** What an instance that is behind would show of a room. */
  behind = new Map<string, RoomState>();
  readonly sources = new Set<FakeEventSource>();
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
    vi.stubGlobal("fetch", (address: string, init: RequestInit) => this.#answer(address, init));
    vi.stubGlobal("document", this.#page);
    vi.stubGlobal("window", this.#page);
    vi.stubGlobal("location", new URL("https://app.example.com/call"));
    setInterval(() => this.#tell((source) => source.send("heartbeat", { t: Date.now(), every: HEARTBEAT })), HEARTBEAT);
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

  stateOf(room: string, isBehind = false): RoomState {
    return (isBehind && this.behind.get(room)) || this.rooms.get(room) || { version: 0, participants: [] };
  }

  stop(): void {
    this.isUp = false;
    this.breakStreams();
  }

  breakStreams(): void {
    for (const source of [...this.sources]) source.break();
  }

  /** Ends all open streams, since the identity has newer ones. Who comes back all the same is told to stay away. */
  replaceStreams(): void {
    for (const source of [...this.sources]) {
      source.send("end", { reason: "replaced" });
      source.break();
    }
  }

  get isSilent(): boolean {
    return this.#isSilent;
  }

  set isSilent(isSilent: boolean) {
    this.#isSilent = isSilent;
    if (isSilent) for (const source of this.sources) source.isDead = true;
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

  #tell(act: (source: FakeEventSource) => void): void {
    if (this.isUp && this.isReachable && !this.isSilent) for (const source of [...this.sources]) act(source);
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
      const list = [...this.rooms].map(([name, { participants }]) => ({
        name,
        numParticipants: participants.length,
        exact: true,
      }));
      return json(list, JSON.stringify(list.length), headers);
    }
    const room = url.searchParams.get("room")!;
    if (room === this.refusedRoom) return problem(429, "slow down", 1);
    if (this.body) return json(this.body, null, headers);
    const { version, participants } = this.stateOf(room);
    return json(participants, this.hasETags ? `"${version}"` : null, headers);
  }
}

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

/** As browsers have it: comes back by itself after a broken connection, and stays closed after a refusal. */
class FakeEventSource extends EventTarget {
  readonly CONNECTING = 0;
  readonly OPEN = 1;
  readonly CLOSED = 2;
  readyState = 0;
  withCredentials = false;
  isDead = false;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly address: URL;
  readonly #service: Service;
  readonly #versions = new Map<string, number>();
  #lastEventId = "";

  constructor(service: Service, address: string) {
    super();
    this.#service = service;
    this.address = new URL(address, location.href);
    service.sources.add(this);
    this.#connect();
  }

  close(): void {
    this.readyState = 2;
    this.#service.sources.delete(this);
  }

  /** The connection is lost. */
  break(): void {
    if (this.readyState === 2 || this.isDead) return;
    this.readyState = 0;
    this.onerror?.();
    if (this.readyState === 0) setTimeout(() => this.#connect(), RETRY);
  }

  send(event: string, data: unknown, id?: number): void {
    if (this.readyState !== 1 || this.isDead) return;
    if (id !== undefined) this.#lastEventId = String(id);
    const message = new Event(event) as MessageEvent;
    Object.assign(message, { data: JSON.stringify(data), lastEventId: this.#lastEventId });
    this.dispatchEvent(message);
  }

  tellChange(room: string, before: RoomState, now: RoomState): void {
    if (this.readyState !== 1 || !this.#versions.has(room)) return;
    if (!this.#isOfMany) return this.send("participants:update", now.participants, now.version);
    if (this.#versions.get(room) !== before.version) return this.#snapshot(room, now);
    const was = new Map(before.participants.map((one) => [one.identity, one]));
    const is = new Set(now.participants.map(({ identity }) => identity));
    this.#versions.set(room, now.version);
    this.send("room:delta", {
      room,
      prev: before.version,
      version: now.version,
      joined: now.participants.filter(({ identity }) => !was.has(identity)),
      updated: now.participants.filter(
        (one) => was.has(one.identity) && JSON.stringify(was.get(one.identity)) !== JSON.stringify(one),
      ),
      left: before.participants
        .filter(({ identity }) => !is.has(identity))
        .map(({ sid, identity }) => ({ sid, identity })),
    });
  }

  get #isOfMany(): boolean {
    return this.address.pathname.endsWith("/rooms/stream");
  }

  #connect(): void {
    if (this.readyState === 2) return;
    setTimeout(() => this.#arrive(), LATENCY);
  }

  #arrive(): void {
    const service = this.#service;
    if (service.isSilent) this.isDead = true;
    if (this.readyState === 2 || this.isDead) return;
    if (!service.isUp || !service.isReachable) return this.break();
    if (service.streams === "hanging") return;
    if (service.streams !== "on" || !service.allows(this.address.searchParams.get("access_token"))) {
      this.close();
      this.onerror?.();
      return;
    }
    service.opened += 1;
    this.readyState = 1;
    this.onopen?.();
    if (service.isCuttingAtOnce) return this.break();
    // Every other stream reaches an instance that is behind.
    const isBehind = service.opened % 2 === 0;
    for (const room of this.address.searchParams.getAll("room")) {
      const state = service.stateOf(room, isBehind && this.#isOfMany);
      this.#versions.set(room, state.version);
      const has = Number(this.#lastEventId || this.address.searchParams.get("last_event_id") || -1);
      if (this.#isOfMany) this.#snapshot(room, state);
      else if (has !== state.version) this.send("participants:update", state.participants, state.version);
      else this.send("heartbeat", { t: Date.now(), every: HEARTBEAT });
      // It catches up.
      if (isBehind && this.#isOfMany && state.version !== service.stateOf(room).version) {
        setTimeout(() => this.tellChange(room, state, service.stateOf(room)), LATENCY);
      }
    }
  }

  #snapshot(room: string, { version, participants }: RoomState): void {
    this.#versions.set(room, version);
    this.send("room:snapshot", { room, version, participants });
  }
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
