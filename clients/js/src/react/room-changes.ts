// What moderators of this page do in one room: which changes are laid over its list and its roster, and in which order they are asked
// for.

import { byJoining } from "../lists.js";
import type { RosterEntry } from "../moderate/types.js";
import type { Participant } from "../types.js";
import { PendingChanges } from "./pending.js";
import type { Presence } from "./presence.js";

const enum Millis {
  /** A change is on every stream within 50 ms. Longer than a slow network, and short for a moderator who is wrong. */
  WAIT_LIVE = 5_000,
  /** Longer than the lists are late where they are polled. */
  WAIT_POLLING = 20_000,
}

export class RoomChanges {
  readonly people: PendingChanges<Participant>;
  readonly roster: PendingChanges<RosterEntry>;
  /** The sessions that were removed. livekit-client may still have them when the list does not. */
  readonly removed = new Set<string>();
  private readonly listeners = new Set<() => void>();
  /** The last call about each person. */
  private readonly last = new Map<string, Promise<unknown>>();
  /** The last call about everybody. */
  private lastOfAll: Promise<unknown> = Promise.resolve();

  constructor(presence: Presence, room: string) {
    const tell = () => [...this.listeners].forEach((listener) => listener());
    const waits = () => (presence.room(room).status === "polling" ? Millis.WAIT_POLLING : Millis.WAIT_LIVE);
    this.people = new PendingChanges(tell, waits, byJoining);
    this.roster = new PendingChanges(tell, waits, byIdentity);
  }

  subscribe = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.listeners.add(own);
    return () => {
      this.listeners.delete(own);
      if (this.listeners.size > 0) return;
      this.people.forget();
      this.roster.forget();
    };
  };

  /** Calls about one person go one after the other, so that the last one counts. One about everybody waits for all before it. */
  inTurn<Answer>(identity: string | null, call: () => Promise<Answer>): Promise<Answer> {
    const before = identity === null ? [...this.last.values()] : [this.last.get(identity)];
    const turn = Promise.all([this.lastOfAll, ...before]).then(call);
    const ended = turn.then(ignore, ignore);
    if (identity === null) {
      this.last.clear();
      this.lastOfAll = ended;
    } else {
      this.last.set(identity, ended);
      void ended.then(() => this.last.get(identity) === ended && this.last.delete(identity));
    }
    return turn;
  }
}

const ignore = () => {};

function byIdentity({ identity: a }: RosterEntry, { identity: b }: RosterEntry): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

const known = new WeakMap<Presence, Map<string, RoomChanges>>();

/** The changes of a room, the same for all components below a provider. Without a room there are none. */
export function changesOf(presence: Presence, room: string | null | undefined): RoomChanges {
  const rooms = known.get(presence) ?? new Map<string, RoomChanges>();
  known.set(presence, rooms);
  const changes = rooms.get(room ?? "") ?? new RoomChanges(presence, room ?? "");
  rooms.set(room ?? "", changes);
  return changes;
}
