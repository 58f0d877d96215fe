// Rows of a history.

import type { AttendedSession, Attendee, Span } from "../src/attendance/types.js";

export const NOW = Date.UTC(2026, 5, 1, 12);
export const MINUTE = 60_000;
/** This many minutes before now. */
export const ago = (minutes: number) => NOW - minutes * MINUTE;

export function session(sid: string, intervals: Span[], more: Partial<AttendedSession> = {}): AttendedSession {
  const leftAtMs = intervals[intervals.length - 1]![1];
  const media = { microphone: [], camera: [], screen: [] };
  return { sid, joinedAtMs: intervals[0]![0], leftAtMs, exact: true, intervals, ...media, ...more };
}

export function attendee(identity: string, ...sessions: AttendedSession[]): Attendee {
  return { identity, name: "", kind: "STANDARD", sessions };
}
