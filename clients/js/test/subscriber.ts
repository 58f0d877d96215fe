// What the simulated service sends on one connection, however it is carried.

import type { Counts, PresenceEvent, RoomListing, RoomState } from "../src/types.js";
import type { Roster, RosterEntry } from "../src/moderate/types.js";
import { HEARTBEAT, type Service } from "./service.js";

/** An event of the feed, with its position. */
export interface Logged {
  readonly id: string;
  readonly event: PresenceEvent;
}

export const countsOf = ({ participants }: RoomState): Counts => ({
  people: participants.filter(({ kind }) => kind !== "AGENT").length,
  agents: participants.filter(({ kind }) => kind === "AGENT").length,
  publishers: participants.filter(({ isPublisher }) => isPublisher).length,
});

export function rosterOf(entries: readonly RosterEntry[], version: number): Roster & { version: number } {
  const onlineCount = entries.filter(({ status }) => status === "JOINED").length;
  return { version, entries, onlineCount, totalCount: entries.length };
}

/** One connection: an `EventSource` or a `WebSocket`. */
export abstract class Subscriber extends EventTarget {
  address!: URL;
  /** Nothing arrives on it any more, and nobody notices. */
  isDead = false;
  protected lastEventId = "";
  readonly #versions = new Map<string, number>();
  readonly #counts = new Map<string, string>();
  #list: readonly RoomListing[] = [];
  #listVersion = 0;

  constructor(protected readonly service: Service) {
    super();
  }

  abstract send(event: string, data: unknown, id?: number | string): void;
  /** The connection is lost. */
  abstract break(): void;
  abstract get isOpen(): boolean;

  get #query(): URLSearchParams {
    return this.address.searchParams;
  }

  get #isOfMany(): boolean {
    return /\/rooms\/(stream|ws)$/.test(this.address.pathname);
  }

  /** The list of rooms, as the connection wants it. */
  get #rooms(): readonly RoomListing[] {
    return this.service.listing().filter(({ name }) => name.startsWith(this.#query.get("prefix") ?? ""));
  }

  /** Sends what a connection begins with. */
  begin(): void {
    const { service } = this;
    if (this.address.pathname.endsWith("/events")) return this.#beginEvents();
    if (this.#query.has("all")) {
      this.#list = this.#rooms;
      return this.send("rooms:snapshot", { version: (this.#listVersion = 1), rooms: this.#list });
    }
    if (this.#query.has("roster")) this.#tellWholeRoster(this.#query.get("room")!);
    // Every other stream reaches an instance that is behind.
    const isBehind = service.opened % 2 === 0 && this.#isOfMany;
    for (const room of this.#query.getAll("room")) this.watch(room, isBehind);
  }

  /** Sends what the stream of a room begins with. */
  watch(room: string, isBehind = false): void {
    const { service } = this;
    const state = service.stateOf(room, isBehind);
    const has = Number(this.lastEventId || this.#query.get("last_event_id") || -1);
    this.#versions.set(room, state.version);
    if (this.#query.get("view") === "count") this.#tellCounts(room, state);
    else if (this.#isOfMany) this.#snapshot(room, state);
    else if (has !== state.version) this.send("participants:update", state.participants, state.version);
    else this.send("heartbeat", { t: Date.now(), every: HEARTBEAT });
    // It catches up.
    if (isBehind && state.version !== service.stateOf(room).version) {
      setTimeout(() => this.tellChange(room, state, service.stateOf(room)));
    }
  }

  unwatch(room: string): void {
    this.#versions.delete(room);
    this.#counts.delete(room);
  }

  get watched(): string[] {
    return [...this.#versions.keys()];
  }

  tellChange(room: string, before: RoomState, now: RoomState): void {
    if (!this.isOpen) return;
    if (this.#query.has("all")) return this.#tellList();
    if (!this.#versions.has(room)) return;
    if (this.#query.get("view") === "count") return this.#tellCounts(room, now);
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

  tellRoster(room: string, before: Roster & { version: number }, now: Roster & { version: number }): void {
    if (!this.isOpen || !this.#query.has("roster") || this.#query.get("room") !== room) return;
    const was = new Map(before.entries.map((entry) => [entry.identity, JSON.stringify(entry)]));
    const is = new Set(now.entries.map(({ identity }) => identity));
    const { version, onlineCount, totalCount, entries } = now;
    const changed = entries.filter((entry) => was.get(entry.identity) !== JSON.stringify(entry));
    const removed = [...was.keys()].filter((identity) => !is.has(identity));
    this.send("roster:update", { room, prev: before.version, version, onlineCount, totalCount, changed, removed });
  }

  #tellWholeRoster(room: string): void {
    this.send("roster:update", { room, ...this.service.rosterOf(room) });
  }

  tellEvent({ id, event }: Logged): void {
    if (!this.address.pathname.endsWith("/events")) return;
    const [events, rooms] = [this.#query.getAll("event"), this.#query.getAll("room")];
    if (events.length > 0 && !events.includes(event.event)) return;
    if (rooms.length > 0 && !rooms.includes(event.room ?? "")) return;
    if ((event.room ?? "").startsWith(this.#query.get("prefix") ?? "")) this.send("message", event, id);
  }

  #tellCounts(room: string, state: RoomState): void {
    const counts = countsOf(state);
    if (this.#counts.get(room) === JSON.stringify(counts)) return;
    this.#counts.set(room, JSON.stringify(counts));
    const { version } = state;
    if (this.#isOfMany) this.send("room:count", { room, ...counts, version });
    else this.send("count", { ...counts, version });
  }

  #tellList(): void {
    const before = new Map(this.#list.map((room) => [room.name, JSON.stringify(room)]));
    const prev = this.#listVersion;
    this.#list = this.#rooms;
    this.send("rooms:delta", {
      prev,
      version: (this.#listVersion += 1),
      changed: this.#list.filter((room) => before.get(room.name) !== JSON.stringify(room)),
      gone: [...before.keys()].filter((name) => !this.#list.some((room) => room.name === name)),
    });
  }

  #beginEvents(): void {
    const { log } = this.service;
    const system = (event: string) => ({ type: "system", event, timestamp: Date.now() });
    const after = this.lastEventId || this.#query.get("last_event_id");
    const newest = log.at(-1)?.id ?? "0-0";
    const isKnown = after === "0-0" || log.some(({ id }) => id === after);
    this.send("message", system("connected"), after && isKnown ? after : newest);
    if (after && !isKnown) return this.send("message", system("gap"), newest);
    if (after) for (const one of log.slice(log.findIndex(({ id }) => id === after) + 1)) this.tellEvent(one);
  }

  #snapshot(room: string, { version, participants }: RoomState): void {
    this.#versions.set(room, version);
    this.send("room:snapshot", { room, version, participants });
  }
}
