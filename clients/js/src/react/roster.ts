"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";

import { watchRoster } from "../moderate/roster.js";
import type { RosterEntry, RosterSnapshot } from "../moderate/types.js";
import type { Holder, ShownLink } from "./held.js";
import type { Presence } from "./presence.js";
import { usePresence } from "./provider.js";
import { changesOf } from "./room-changes.js";

/** The roster of a room, from `useRoster`. */
export interface ShownRoster extends ShownLink {
  /** Ordered by identity, and empty before the first list. An entry that did not change is the same object as before. */
  readonly entries: readonly RosterEntry[];
  /** People who are inside. Null before the first list. */
  readonly onlineCount: number | null;
  /** People on the roster. Null before the first list. */
  readonly totalCount: number | null;
}

type Part = Pick<ShownRoster, "entries" | "onlineCount" | "totalCount">;

const NOTHING: Part = Object.freeze({ entries: Object.freeze([]), onlineCount: null, totalCount: null });
/** The key of what a holder has only one of. */
const ALL = "";

/**
 * Who is expected in a room, is inside, or was: kept up to date, with what `useModeration` has changed and the service does not show
 * yet. Where the service keeps no roster, the status is `error`, with 404. Without a room it watches nothing.
 */
export function useRoster(room: string | null | undefined): ShownRoster {
  const presence = usePresence("useRoster");
  const want = useCallback(
    (listener: () => void) => (room ? holderOf(presence, room).want(ALL, listener) : () => {}),
    [presence, room],
  );
  const roster = useSyncExternalStore(
    want,
    () => holderOf(presence, room).shown(room ? ALL : undefined),
    () => holderOf(presence, room).shown(),
  );
  const changes = changesOf(presence, room);
  const entries = useSyncExternalStore(
    changes.subscribe,
    () => changes.roster.over(roster.entries),
    () => roster.entries,
  );
  return useMemo(
    () => (entries === roster.entries ? roster : { ...roster, ...counted(roster, entries) }),
    [roster, entries],
  );
}

/** The numbers as they are with the changes of this page. */
function counted({ entries: before, onlineCount, totalCount }: Part, entries: Part["entries"]): Part {
  const inside = (list: Part["entries"]) => list.filter(({ status }) => status === "JOINED").length;
  return {
    entries,
    onlineCount: onlineCount === null ? null : onlineCount + inside(entries) - inside(before),
    totalCount: totalCount === null ? null : totalCount + entries.length - before.length,
  };
}

function holderOf(presence: Presence, room: string | null | undefined): Holder<RosterSnapshot, Part, ShownRoster> {
  return presence.other(`roster ${room ?? ""}`, (options) => {
    let part = NOTHING;
    return {
      // It inherits the options instead of copying them, because `whenHidden` changes.
      open: () => watchRoster(Object.assign(Object.create(options) as object, { room: room ?? "" })),
      part(snapshot) {
        const { entries, onlineCount, totalCount } = snapshot ?? NOTHING;
        const isSame = entries === part.entries && onlineCount === part.onlineCount && totalCount === part.totalCount;
        return isSame ? part : (part = Object.freeze({ entries, onlineCount, totalCount }));
      },
      show: (part, link) => ({ ...link, ...part }),
    };
  });
}
