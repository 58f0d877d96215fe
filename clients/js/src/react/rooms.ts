"use client";

import { useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownRoomList } from "./presence.js";

/** The active rooms, from `useRooms`. */
export type Rooms = ShownRoomList;

/**
 * The list of rooms, polled every five seconds while the page is visible. So its status is `polling` when all is well. Needs a
 * token that may read every room.
 */
export function useRooms(): Rooms {
  const presence = usePresence("useRooms");
  return useSyncExternalStore(presence.wantRoomList, presence.roomList, presence.roomListAtFirst);
}
