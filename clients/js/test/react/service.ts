// The service as a page sees it: an EventSource and a fetch that the test answers.

import { act } from "react";
import { vi } from "vitest";

import type { RosterEntry } from "../../src/moderate/types.js";
import type { Participant, RoomListing, Track } from "../../src/types.js";

/** A stream that the page has opened. */
export class FakeStream extends EventTarget {
  static readonly CONNECTING = 0;
  readonly CONNECTING = 0;
  readyState = 0;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  readonly address: URL;

  constructor(address: string) {
    super();
    this.address = new URL(address);
    FakeService.streams.push(this);
    FakeService.open.push(this);
  }

  get rooms(): string[] {
    return this.address.searchParams.getAll("room");
  }

  close(): void {
    this.readyState = 2;
    FakeService.open = FakeService.open.filter((stream) => stream !== this);
  }

  send(event: string, data: unknown, lastEventId = ""): void {
    if (this.readyState === 2) return;
    act(() => void this.dispatchEvent(new MessageEvent(event, { data: JSON.stringify(data), lastEventId })));
  }

  begin(): void {
    this.readyState = 1;
    act(() => this.onopen?.());
  }

  /** Breaks off. The browser opens it again by itself, or it does not. */
  end(isReopening: boolean): void {
    this.readyState = isReopening ? 0 : 2;
    act(() => this.onerror?.());
  }
}

interface Answer {
  status: number;
  body: unknown;
  etag?: string;
}

/** What the page asks the service to change. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: unknown;
}

/** What the package wants to know of the page. */
const PAGE_EVENTS = ["visibilitychange", "online", "offline", "pagehide", "pageshow", "freeze", "resume"];
let page: unknown[] = [];

export const FakeService = {
  /** All that were ever opened. */
  streams: [] as FakeStream[],
  open: [] as FakeStream[],
  asked: [] as { path: string; authorization: string | undefined }[],
  answer: ((): Answer => ({ status: 200, body: [] })) as (address: URL) => Answer,
  calls: [] as Call[],
  /** Answers calls, in its own time. */
  carryOut: (() => ({ status: 200, body: {} })) as (call: Call) => Answer | Promise<Answer>,
  /** Begins anew, for each test. */
  start(): void {
    this.streams = [];
    this.open = [];
    this.asked = [];
    this.answer = () => ({ status: 200, body: [] });
    this.calls = [];
    this.carryOut = () => ({ status: 200, body: {} });
    page = [];
    vi.stubGlobal("EventSource", FakeStream);
    vi.stubGlobal("fetch", (address: string, init: Init) =>
      (init.method ?? "GET") === "GET" ? this.fetch(address, init) : this.change(address, init),
    );
    for (const target of [window, document]) {
      const add = target.addEventListener.bind(target) as EventTarget["addEventListener"];
      const remove = target.removeEventListener.bind(target) as EventTarget["removeEventListener"];
      vi.spyOn(target as EventTarget, "addEventListener").mockImplementation((event, listener, options) => {
        if (PAGE_EVENTS.includes(event)) page.push(listener);
        add(event, listener, options);
      });
      vi.spyOn(target as EventTarget, "removeEventListener").mockImplementation((event, listener, options) => {
        if (page.includes(listener)) page.splice(page.indexOf(listener), 1);
        remove(event, listener, options);
      });
    }
  },
  get pageListeners(): number {
    return page.length;
  },
  /** The stream that is open, which must be one. */
  get stream(): FakeStream {
    if (this.open.length !== 1) throw new Error(`${this.open.length} streams are open`);
    return this.open[0]!;
  },
  /** The one open stream of this path. */
  streamOf(path: string): FakeStream {
    const streams = this.open.filter(({ address }) => address.pathname === `/api/${path}`);
    if (streams.length !== 1) throw new Error(`${streams.length} streams of ${path} are open`);
    return streams[0]!;
  },
  async fetch(address: string, { headers }: { headers: Record<string, string> }): Promise<Response> {
    const url = new URL(address);
    this.asked.push({ path: url.pathname + url.search, authorization: headers["Authorization"] });
    const { status, body, etag } = this.answer(url);
    if (etag && headers["If-None-Match"] === etag) return new Response(null, { status: 304 });
    return new Response(JSON.stringify(body), { status, headers: etag ? { ETag: etag } : {} });
  },
  async change(address: string, { method, headers, body }: Init): Promise<Response> {
    const url = new URL(address);
    const call = {
      method: method!,
      path: url.pathname.replace("/api/livekit/rooms/", "") + url.search,
      authorization: headers["Authorization"],
      body: body === undefined ? undefined : (JSON.parse(body) as unknown),
    };
    this.calls.push(call);
    const { status, body: answer } = await this.carryOut(call);
    return new Response(status === 204 ? null : JSON.stringify(answer), { status });
  },
  /** Opens the stream of a room's roster, and sends it. */
  roster(room: string, entries: readonly RosterEntry[], version = 1): void {
    const stream = this.streamOf("livekit/rooms/stream");
    if (stream.readyState === 0) stream.begin();
    stream.send("roster:update", { room, version, ...totalsOf(entries), entries });
  },
  /** Opens the stream, and sends each of its rooms. */
  welcome(lists: Record<string, Participant[]>, version = 1, of?: FakeStream): void {
    const stream = of ?? this.stream;
    stream.begin();
    for (const room of stream.rooms) this.list(room, lists[room] ?? [], version, stream);
  },
  /** Sends the list of a room. */
  list(room: string, participants: Participant[], version: number, of?: FakeStream): void {
    const stream = of ?? this.stream;
    if (stream.rooms.length === 1) stream.send("participants:update", participants, String(version));
    else stream.send("room:snapshot", { room, version, participants });
  },
};

interface Init {
  readonly method?: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

const totalsOf = (entries: readonly RosterEntry[]) => ({
  onlineCount: entries.filter(({ status }) => status === "JOINED").length,
  totalCount: entries.length,
});

/** Somebody on the roster. */
export function invited(identity: string, more: Partial<RosterEntry> = {}): RosterEntry {
  return {
    identity,
    role: "viewer",
    canSpeak: false,
    canVideo: false,
    invited: true,
    invitedAt: "2026-11-30T10:00:00Z",
    status: "INVITED",
    joinedAt: null,
    leftAt: null,
    version: "1",
    ...more,
  };
}

/** Somebody on the roster who is inside. */
export const inside = (identity: string, more: Partial<RosterEntry> = {}): RosterEntry =>
  invited(identity, { status: "JOINED", joinedAt: "2026-11-30T11:00:00Z", ...more });

let joinings = 1_700_000_000_000;

export function someone(identity: string, more: Partial<Participant> = {}): Participant {
  const name = identity[0]!.toUpperCase() + identity.slice(1);
  return {
    sid: `PA_${identity}`,
    identity,
    name,
    metadata: "",
    attributes: {},
    kind: "STANDARD",
    joinedAt: joinings++,
    isPublisher: true,
    tracks: [],
    ...more,
  };
}

export function track(source: string, muted = false): Track {
  return { sid: `TR_${source}`, source, type: source === "MICROPHONE" ? "AUDIO" : "VIDEO", muted, name: "" };
}

export function listing(name: string, numParticipants: number): RoomListing {
  return { name, numParticipants, exact: true, people: numParticipants, agents: 0, publishers: 0, startedAt: null };
}
