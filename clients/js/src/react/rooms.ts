"use client";

import { useCallback, useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownRoomList } from "./presence.js";

/** The active rooms, from `useRooms`. */
export type Rooms = ShownRoomList;

/** Which rooms `useRooms` returns. Without a prefix, all. */
export interface RoomsOptions {
  readonly prefix?: string | undefined;
}

/** The list of rooms, kept up to date. Needs a token that may read every room. */
export function useRooms({ prefix = "" }: RoomsOptions = {}): Rooms {
  const presence = usePresence("useRooms");
  const want = useCallback((listener: () => void) => presence.wantRoomList(prefix, listener), [presence, prefix]);
  return useSyncExternalStore(
    want,
    () => presence.roomList(prefix),
    () => presence.roomListAtFirst(prefix),
  );
}
