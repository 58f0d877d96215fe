// What the stream of a room has told since the rows of its history were fetched. The rows are written a moment after the list has
// changed, and what is shown must not wait for them.

import type { Participant } from "../types.js";
import type { AttendedSession, Attendee, Span } from "./types.js";

/** The sources of which the history keeps when they sent, with LiveKit's names of them. */
const SOURCES = { microphone: "MICROPHONE", camera: "CAMERA", screen: "SCREEN_SHARE" } as const;
type Source = keyof typeof SOURCES;
const NAMES = Object.keys(SOURCES) as Source[];

const enum Millis {
  /** How long a leave is remembered that no row tells of. */
  KEEP_LEAVE = 600_000,
}

/** A session that was in the list. */
interface Sighting {
  person: Participant;
  /** When it was gone from the list. Null while it is in it. */
  leftAt: number | null;
  /** Whether each source sends, and since when that is known. */
  readonly sends: Record<Source, { isOn: boolean; at: number }>;
}

export interface Sightings {
  /** Takes the newest list of the room. Returns whether sessions or what they send differ from the list before. */
  see(list: readonly Participant[], now: number): boolean;
  /** The rows, with what they do not have yet. */
  mergedWith(rows: readonly Attendee[]): readonly Attendee[];
  /** Whether the rows have all that was seen. */
  areIn(rows: readonly Attendee[]): boolean;
  /** Forgets those who have left, and whose leave the rows have. */
  forgetThoseIn(rows: readonly Attendee[], now: number): void;
}

export function newSightings(): Sightings {
  const seen = new Map<string, Sighting>();

  const rowOf = (rows: readonly Attendee[]) => {
    const bySid = new Map(rows.flatMap(({ sessions }) => sessions).map((session) => [session.sid, session]));
    return (sid: string) => bySid.get(sid);
  };

  return {
    see(list, now) {
      let isChanged = false;
      const inside = new Set(list.map(({ sid }) => sid));
      for (const person of list) isChanged = note(seen, person, now) || isChanged;
      for (const [sid, sighting] of seen) {
        if (inside.has(sid) || sighting.leftAt !== null) continue;
        sighting.leftAt = now;
        isChanged = true;
      }
      return isChanged;
    },
    mergedWith(rows) {
      const row = rowOf(rows);
      const rest = new Map(seen);
      const known = rows.map((person) => {
        const sessions = person.sessions.map((session) => {
          const sighting = rest.get(session.sid);
          rest.delete(session.sid);
          return sighting ? merged(session, sighting) : session;
        });
        return sessions.every((session, index) => session === person.sessions[index])
          ? person
          : { ...person, sessions };
      });
      const people = new Map(known.map((person) => [person.identity, person]));
      for (const [sid, sighting] of rest) {
        if (row(sid)) continue;
        const { identity, name, kind } = sighting.person;
        const person = people.get(identity) ?? { identity, name, kind, sessions: [] };
        people.set(identity, { ...person, sessions: [...person.sessions, sessionOf(sighting)] });
      }
      return [...people.values()];
    },
    areIn(rows) {
      const row = rowOf(rows);
      return [...seen].every(([sid, { leftAt, sends }]) => {
        const session = row(sid);
        if (!session || leftAt !== null) return session?.leftAtMs != null;
        return session.leftAtMs === null && NAMES.every((name) => isOpen(session[name]) === sends[name].isOn);
      });
    },
    forgetThoseIn(rows, now) {
      const row = rowOf(rows);
      for (const [sid, { leftAt }] of seen) {
        if (leftAt === null) continue;
        if (row(sid)?.leftAtMs != null || leftAt < now - Millis.KEEP_LEAVE) seen.delete(sid);
      }
    },
  };
}

/** Notes what a session sends. Returns whether that is new. */
function note(seen: Map<string, Sighting>, person: Participant, now: number): boolean {
  const isOn = (name: Source) => person.tracks.some(({ source, muted }) => source === SOURCES[name] && !muted);
  const known = seen.get(person.sid);
  if (!known) {
    const sends = Object.fromEntries(NAMES.map((name) => [name, { isOn: isOn(name), at: now }])) as Sighting["sends"];
    seen.set(person.sid, { person, leftAt: null, sends });
    return true;
  }
  let isChanged = known.leftAt !== null || known.person.name !== person.name;
  known.person = person;
  known.leftAt = null;
  for (const name of NAMES) {
    if (known.sends[name].isOn === isOn(name)) continue;
    known.sends[name] = { isOn: isOn(name), at: now };
    isChanged = true;
  }
  return isChanged;
}

const isOpen = (spans: readonly Span[]): boolean => spans.some(([, to]) => to === null);

/** A row with what was seen since. The row of a session that has left is believed. */
function merged(row: AttendedSession, { leftAt, sends }: Sighting): AttendedSession {
  if (row.leftAtMs !== null) return row;
  let session = row;
  for (const name of NAMES) {
    const { isOn, at } = sends[name];
    const spans = session[name];
    if (isOn === isOpen(spans)) continue;
    session = { ...session, [name]: isOn ? [...spans, [Math.max(at, row.joinedAtMs), null]] : ended(spans, at) };
  }
  return leftAt === null ? session : left(session, leftAt);
}

/** The session of somebody of whom there is no row yet. */
function sessionOf({ person, leftAt, sends }: Sighting): AttendedSession {
  const { sid, joinedAt } = person;
  const sent = (name: Source): readonly Span[] =>
    sends[name].isOn ? [[Math.max(sends[name].at, joinedAt), null]] : [];
  const session: AttendedSession = {
    sid,
    joinedAtMs: joinedAt,
    leftAtMs: null,
    exact: true,
    intervals: [[joinedAt, null]],
    microphone: sent("microphone"),
    camera: sent("camera"),
    screen: sent("screen"),
  };
  return leftAt === null ? session : left(session, leftAt);
}

function left(session: AttendedSession, at: number): AttendedSession {
  const { intervals, microphone, camera, screen } = session;
  return {
    ...session,
    leftAtMs: Math.max(at, session.joinedAtMs),
    intervals: ended(intervals, at),
    microphone: ended(microphone, at),
    camera: ended(camera, at),
    screen: ended(screen, at),
  };
}

/** Ends the span that goes on. Nothing ends before it begins. */
const ended = (spans: readonly Span[], at: number): readonly Span[] =>
  spans.map(([from, to]) => [from, to ?? Math.max(from, at)] as const);
