"use client";

import { useEffect, useMemo, useSyncExternalStore } from "react";

import { followAttendance, type AttendanceFeed } from "../attendance/feed.js";
import type { AttendanceRange, AttendanceState } from "../attendance/types.js";
import type { Presence } from "./presence.js";
import { usePresence } from "./provider.js";

/** Who was in a room, from `useAttendance`. */
export interface Attendance extends AttendanceState {
  /** Fetches the history again. The same function while the room stays the same. */
  readonly reload: () => void;
}

/**
 * Who was in a room in the last hour or day, and when they sent what. Who comes and goes is added at once, from the stream that
 * `useParticipants` has too; the history is fetched again after that. Without a room it is `idle`, and fetches nothing.
 */
export function useAttendance(room: string | null | undefined, range: AttendanceRange = "hour"): Attendance {
  const presence = usePresence("useAttendance");
  const held = useMemo(() => new HeldAttendance(presence, room), [presence, room]);
  useEffect(() => held.setRange(range), [held, range]);
  return useSyncExternalStore(held.subscribe, held.shown, held.shownAtFirst);
}

const NOTHING: Omit<AttendanceState, "status"> = { error: null, people: [], isCut: false, clockOffset: 0 };

/** Follows the attendance of a room while somebody listens. */
class HeldAttendance {
  private readonly nothing: Attendance;
  private now: Attendance;
  private range: AttendanceRange = "hour";
  private feed: AttendanceFeed | undefined;

  constructor(
    private readonly presence: Presence,
    private readonly room: string | null | undefined,
  ) {
    const status = room ? "loading" : "idle";
    this.now = this.nothing = Object.freeze({ ...NOTHING, status, reload: () => this.feed?.reload() });
  }

  shown = (): Attendance => this.now;

  shownAtFirst = (): Attendance => this.nothing;

  setRange(range: AttendanceRange): void {
    this.range = range;
    this.feed?.setRange(range);
  }

  subscribe = (listener: () => void): (() => void) => {
    const { presence, room } = this;
    if (!room) return () => {};
    const feed = followAttendance(presence.history(room), this.range, () => {
      this.now = Object.freeze({ ...this.nothing, ...feed.state() });
      listener();
    });
    this.feed = feed;
    const see = () => feed.see(presence.room(room));
    const leave = presence.wantRoom(room, see);
    see();
    return () => {
      leave();
      feed.close();
    };
  };
}
