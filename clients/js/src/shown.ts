// What is shown of a room, and what becomes of it when the service sends something newer.

import type { Counts, Participant, RoomState } from "./types.js";

/** What is shown of a room: its list, or its counts. */
export type Shown = RoomState & { readonly counts?: Counts };

/** What the service sends of a room: its list, or its counts. */
export interface Sent {
  version: number;
  participants?: readonly Participant[];
  counts?: Counts;
  /** Show it even after a later version: the service has lost that version. */
  replaces?: boolean;
}

/**
 * What to show after something was sent: the same object if nothing changes. A participant who did not change stays the same
 * object, too. A list is shown only if it is newer. Counts are shown as they come: an instance that is behind sends none while
 * the numbers stay the same, so numbers that were passed over might never come again.
 */
export function shownAfter(
  held: Shown | undefined,
  { version, participants, counts, replaces }: Sent,
): Shown | undefined {
  if (!participants) return isAlike(counts, held?.counts) ? held : ({ version, counts } as Shown);
  // Version 0: the service knows nothing of the room, or a proxy dropped the version.
  const isOld = held && (version ? version <= held.version && !replaces : !held.version && !participants.length);
  if (isOld) return held;
  const before = new Map(held?.participants.map((person) => [person.identity, person]));
  const keep = (person: Participant) => {
    const known = before.get(person.identity);
    return isAlike(known, person) ? known! : person;
  };
  return { version, participants: Object.freeze(participants.map(keep)) };
}

export const isAlike = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);
