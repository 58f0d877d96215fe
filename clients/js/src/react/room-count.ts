"use client";

import { useCallback, useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownCount } from "./presence.js";

/** The numbers of a room, from `useRoomCount`. */
export type RoomCount = ShownCount;

/**
 * How many people and agents are in a room, and how many people publish. Renders again only when one of these numbers or the
 * status changes. Without a room (null, undefined or an empty name) it watches nothing, and `counts` is null.
 */
export function useRoomCount(room: string | null | undefined): RoomCount {
  const presence = usePresence("useRoomCount");
  const want = useCallback((listener: () => void) => presence.wantCount(room, listener), [presence, room]);
  return useSyncExternalStore(want, () => presence.count(room), presence.countAtFirst);
}
