// The lists of rooms, put together from the messages of the service. Shows no older list after a newer one, unless told to.

import type { Participant, RoomState } from "./types.js";

/** `room:snapshot`: the whole list of a room. */
export interface Snapshot {
  room: string;
  version: number;
  participants: readonly Participant[];
  /** Show it even after a later version: the service has lost that version. */
  replaces?: boolean;
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

/** The effect of a message: it changed what is shown, it changed nothing, or an earlier message is missing. */
export type Effect = "changed" | "same" | "gap";

/** The lists of some rooms. */
export interface Lists {
  /** What is shown. A change replaces the map. */
  readonly shown: ReadonlyMap<string, RoomState>;
  /** Forgets all rooms but these. */
  keep(rooms: ReadonlySet<string>): void;
  replace(snapshot: Snapshot): Effect;
  fold(delta: Delta): Effect;
}

/**
 * No lists yet. A list is shown only if it is newer than what is shown. After a reconnect the stream may come from an instance
 * that is behind: its changes are applied out of sight until it has caught up. A snapshot with `replaces` is always shown.
 */
export function emptyLists(): Lists {
  let shown: ReadonlyMap<string, RoomState> = new Map();
  /** The lists as the service last sent them. Deltas apply to these. */
  let said: typeof shown = shown;

  function say(room: string, version: number, participants: Participant[], replaces?: boolean): Effect {
    const state = { version, participants: Object.freeze(participants) };
    said = new Map(said).set(room, state);
    const held = shown.get(room)?.version ?? -1;
    // Version 0: the service knows nothing of the room, or a proxy dropped the version.
    if (version ? version <= held && !replaces : held === 0 && !participants.length) return "same";
    shown = new Map(shown).set(room, state);
    return "changed";
  }

  return {
    get shown() {
      return shown;
    },
    keep(rooms) {
      const keep = (lists: typeof shown) => new Map([...lists].filter(([room]) => rooms.has(room)));
      shown = keep(shown);
      said = keep(said);
    },
    replace({ room, version, participants, replaces }) {
      const before = new Map(shown.get(room)?.participants.map((person) => [JSON.stringify(person), person]));
      // A participant who did not change stays the same object.
      return say(
        room,
        version,
        participants.map((person) => before.get(JSON.stringify(person)) ?? person),
        replaces,
      );
    },
    fold({ room, prev, version, joined, updated, left }) {
      const before = said.get(room);
      if (before?.version !== prev) return "gap";
      const now = [...joined, ...updated];
      const replaced = new Set([...left, ...now].map(({ identity }) => identity));
      const participants = before.participants.filter(({ identity }) => !replaced.has(identity)).concat(now);
      return say(room, version, participants.sort(byJoining));
    },
  };
}

/** The order of the service's lists: by time of joining, then by identity. */
function byJoining(a: Participant, b: Participant): number {
  return a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1);
}
