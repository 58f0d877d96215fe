// What the service keeps of who was in a room, as far as the package reads it.

import type { PresenceError } from "../types.js";

/** A span of time, in milliseconds since 1970, by the service's clock. Null: it goes on. */
export type Span = readonly [from: number, to: number | null];

/** One session of a person in a room. */
export interface AttendedSession {
  readonly sid: string;
  readonly joinedAtMs: number;
  /** Null while the session is inside. */
  readonly leftAtMs: number | null;
  /** Whether the end is more than the best that is known. */
  readonly exact: boolean;
  /** When it was inside. */
  readonly intervals: readonly Span[];
  /** When it sent from its microphone, and was not muted. */
  readonly microphone: readonly Span[];
  readonly camera: readonly Span[];
  readonly screen: readonly Span[];
}

/** Somebody who was in the room. */
export interface Attendee {
  readonly identity: string;
  /** May be empty. */
  readonly name: string;
  /** `STANDARD`, `AGENT`, `SIP`, … */
  readonly kind: string;
  readonly sessions: readonly AttendedSession[];
}

/** How far back to look: an hour or a day. */
export type AttendanceRange = "hour" | "day";

/**
 * How far the attendance is known.
 *
 * - `idle`: there is no room, and nothing is asked for.
 * - `loading`: the first answer is awaited.
 * - `ready`: `people` is what the service keeps, and what its stream has told since.
 * - `off`: the service keeps no history.
 * - `error`: the service does not answer, or refuses; `error` says why.
 */
export type AttendanceStatus = "idle" | "loading" | "ready" | "off" | "error";

/** Who was in a room. */
export interface AttendanceState {
  readonly status: AttendanceStatus;
  /** Why the newest request failed. Null if it did not. There may be people all the same: those of an earlier answer. */
  readonly error: PresenceError | null;
  /** Ordered by first join. */
  readonly people: readonly Attendee[];
  /** Whether there are more people than were fetched. */
  readonly isCut: boolean;
  /** What the service's clock is ahead of this machine's, in milliseconds. */
  readonly clockOffset: number;
}
