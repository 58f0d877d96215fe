"use client";

import { useCallback, useEffect, useRef, useSyncExternalStore } from "react";

import type { EventFilter, PresenceEvent } from "../types.js";
import type { ShownLink } from "./held.js";
import { usePresence } from "./provider.js";

/** What `useEvents` does with events. */
export interface EventsHookOptions {
  /** Which events to send. A new object with the same content changes nothing. */
  readonly filter?: EventFilter | undefined;
  /** Called for each event. The function of the newest render counts. */
  readonly onEvent: (event: PresenceEvent) => void;
  /** Called when events may be missing: what was derived from them must be read again. */
  readonly onGap?: (() => void) | undefined;
}

/**
 * Calls `onEvent` for each event while the component is mounted, and renders only when the status changes. Components with the
 * same filter share a connection.
 */
export function useEvents({ filter, onEvent, onGap }: EventsHookOptions): ShownLink {
  const presence = usePresence("useEvents");
  const newest = useRef({ onEvent, onGap });
  useEffect(() => {
    newest.current = { onEvent, onGap };
  });
  const key = JSON.stringify(filter ?? {});
  const want = useCallback(
    (listener: () => void) => {
      const handlers = {
        onEvent: (event: PresenceEvent) => newest.current.onEvent(event),
        onGap: () => newest.current.onGap?.(),
      };
      return presence.wantEvents(key, handlers, listener);
    },
    [presence, key],
  );
  return useSyncExternalStore(
    want,
    () => presence.eventsLink(key),
    () => presence.eventsLinkAtFirst(key),
  );
}
