"use client";

import { useCallback, useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownRoom } from "./presence.js";

/** One room, from `useParticipants`. */
export type Participants = ShownRoom;

/**
 * The participants of a room, kept up to date. The result is the same object until this room or the status changes. Without a
 * room (null, undefined or an empty name) it watches nothing, and returns an empty list.
 */
export function useParticipants(room: string | null | undefined): Participants {
  const presence = usePresence("useParticipants");
  const want = useCallback((listener: () => void) => presence.wantRoom(room, listener), [presence, room]);
  return useSyncExternalStore(want, () => presence.room(room), presence.roomAtFirst);
}
