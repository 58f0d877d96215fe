"use client";

import { useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownLink } from "./held.js";

/** The state of the connection, from `useConnection`. */
export type Connection = ShownLink;

/**
 * The state of the connection that the other hooks use: that of the rooms, or, if no component shows a room, that of the list
 * of rooms. It opens no connection by itself, and returns `connecting` until another hook does.
 */
export function useConnection(): Connection {
  const presence = usePresence("useConnection");
  return useSyncExternalStore(presence.onLink, presence.link, presence.linkAtFirst);
}
