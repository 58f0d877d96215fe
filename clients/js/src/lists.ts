import type { Participant, RoomState } from "./types.js";

/** `room:snapshot`: the whole list of a room. */
export interface Snapshot {
  room: string;
  version: number;
  participants: readonly Participant[];
  /** It is shown also where a later version was: whoever sent it knows of that one, and has it no longer. */
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

/** What became of a message. */
export type Effect = "changed" | "same" | "gap";

/** The lists of some rooms, as messages make them. */
export interface Lists {
  /** What is shown. Replaced, never changed. */
  readonly shown: ReadonlyMap<string, RoomState>;
  /** Forgets all rooms but these. */
  keep(rooms: ReadonlySet<string>): void;
  replace(snapshot: Snapshot): Effect;
  /** A `gap`: something that came before is missing. */
  fold(delta: Delta): Effect;
}

/**
 * No lists yet. Shown versions only rise: whoever reconnects may reach an instance that is behind, and what that one says is
 * folded aside until it has caught up. Only who was told which version is shown may replace it by an earlier one.
 */
export function emptyLists(): Lists {
  let shown: ReadonlyMap<string, RoomState> = new Map();
  /** What the open stream has said, onto which its deltas fold. */
  let said: typeof shown = shown;

  function say(room: string, version: number, participants: Participant[], replaces?: boolean): Effect {
    const state = { version, participants: Object.freeze(participants) };
    said = new Map(said).set(room, state);
    const held = shown.get(room)?.version ?? -1;
    // Version 0 is a room of which nothing is known, or nothing any more; or a proxy keeps the version to itself.
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
      // Who did not change stays the same object.
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

/** The order of every list of this service: by time of joining, then by identity. */
function byJoining(a: Participant, b: Participant): number {
  return a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1);
}
