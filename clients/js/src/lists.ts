// The lists of rooms, put together from the messages of the service. Shows no older list after a newer one, unless told to.

import { Effect } from "./connection/topic.js";
import { shownAfter, type Sent, type Shown } from "./shown.js";
import type { Participant } from "./types.js";

/** `room:snapshot` or `room:count`: the whole list of a room, or its numbers where only these are watched. */
export interface Snapshot extends Sent {
  room: string;
}

/** `room:delta`: what changed in a room since `prev`. */
export interface Delta {
  room: string;
  prev: number;
  version: number;
  joined: readonly Participant[];
  updated: readonly Participant[];
  left: readonly { identity: string }[];
}

export type Message = Snapshot | Delta;

/** The lists of some rooms, or their counts. */
export interface Lists {
  /** What is shown. A change replaces the map. */
  readonly shown: ReadonlyMap<string, Shown>;
  /** Forgets all rooms but these. */
  keep(rooms: ReadonlySet<string>): void;
  apply(message: Message): Effect;
}

/**
 * No lists yet. A list is shown only if it is newer than what is shown. After a reconnect the stream may come from an instance
 * that is behind: its changes are applied out of sight until it has caught up. A snapshot with `replaces` is always shown.
 */
export function emptyLists(): Lists {
  let shown: ReadonlyMap<string, Shown> = new Map();
  /** The lists as the service last sent them. Deltas apply to these. */
  let said: ReadonlyMap<string, Sent> = new Map();

  return {
    get shown() {
      return shown;
    },
    keep(rooms) {
      const keep = <Of>(lists: ReadonlyMap<string, Of>) => new Map([...lists].filter(([room]) => rooms.has(room)));
      shown = keep(shown);
      said = keep(said);
    },
    apply(message) {
      const { room } = message;
      const held = shown.get(room);
      const before = said.get(room);
      if ("prev" in message && before?.version !== message.prev) return Effect.GAP;
      const sent = "prev" in message ? fold(before!.participants!, message) : message;
      const now = shownAfter(held, sent);
      // What is shown, if it is this list: then participants who do not change stay the same objects.
      said = new Map(said).set(room, now?.version === sent.version ? now : sent);
      if (now === held) return Effect.SAME;
      shown = new Map(shown).set(room, now!);
      return Effect.CHANGED;
    },
  };
}

function fold(before: readonly Participant[], { version, joined, updated, left }: Delta): Sent {
  const now = [...joined, ...updated];
  const replaced = new Set([...left, ...now].map(({ identity }) => identity));
  const participants = before.filter(({ identity }) => !replaced.has(identity)).concat(now);
  return { version, participants: participants.sort(byJoining) };
}

/** The order of the service's lists: by time of joining, then by identity. */
export function byJoining(a: Participant, b: Participant): number {
  return a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1);
}
