"use client";

import { useSyncExternalStore } from "react";

import { usePresence } from "./provider.js";
import type { ShownLink } from "./held.js";

/** The link, from `useConnection`. */
export type Connection = ShownLink;

/**
 * How what the other hooks show is kept up to date: the rooms, or, if no component shows one, the list of rooms. Opens nothing
 * by itself, and is `connecting` for as long as nothing is shown.
 */
export function useConnection(): Connection {
  const presence = usePresence("useConnection");
  return useSyncExternalStore(presence.onLink, presence.link, presence.linkAtFirst);
}
