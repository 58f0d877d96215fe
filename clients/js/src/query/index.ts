// `livekit-presence/query`: keeps the cache of TanStack Query up to date with what happens.

import { watchEvents, type EventsOptions } from "../events.js";
import { byJoining } from "../lists.js";
import type { Link, Participant, PresenceEvent, Watch } from "../types.js";

/** The part of TanStack Query's `QueryClient`, version 5, that this uses. */
export interface QueryClientLike {
  invalidateQueries(filters: { queryKey: readonly unknown[]; exact?: boolean }): Promise<unknown>;
  cancelQueries(filters: { queryKey: readonly unknown[]; exact: boolean }): Promise<unknown>;
  isFetching(filters: { queryKey: readonly unknown[]; exact: boolean }): number;
  getQueryData(queryKey: readonly unknown[]): unknown;
  setQueryData(queryKey: readonly unknown[], data: unknown): unknown;
}

/** How to connect queries. */
export interface QueriesOptions extends Omit<EventsOptions, "onEvent" | "onGap"> {
  /**
   * `"invalidate"`, by default: has the queries `["rooms"]`, `["rooms", room]` and `["participants", room]` fetched again.
   * `"write"`: writes to `["participants", room]` what happened, if its data is a list as the service sends it, and has only the
   * other two fetched again.
   */
  readonly mode?: "invalidate" | "write" | undefined;
}

const enum Millis {
  /** What happens within this time causes one request. */
  PAUSE = 100,
}

/** Keeps the queries of rooms and participants up to date until the watch is closed. */
export function connectQueries(client: QueryClientLike, options: QueriesOptions): Watch<Link> {
  const stale = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** A key with only its first part is that of all rooms. */
  function refetch(...key: string[]): void {
    stale.add(JSON.stringify(key));
    timer ??= setTimeout(() => {
      timer = undefined;
      for (const text of stale) {
        const queryKey = JSON.parse(text) as string[];
        // Not `["rooms", …]` of every room, if only one has changed.
        void client.invalidateQueries({ queryKey, exact: queryKey.length === 1 && !stale.has(ALL) });
      }
      stale.clear();
    }, Millis.PAUSE);
  }

  /** Writes what happened to the list of a room. Returns whether the list needs no answer of the service. */
  function write(room: string, event: PresenceEvent): boolean {
    const queryKey = ["participants", room];
    const data = client.getQueryData(queryKey);
    const now = Array.isArray(data) && changed(data as Participant[], event);
    if (!now) return false;
    const filters = { queryKey, exact: true };
    // The answer that is awaited may be from before the event, and would replace what is written.
    const isFetching = client.isFetching(filters) > 0;
    if (isFetching) void client.cancelQueries(filters);
    client.setQueryData(queryKey, now);
    return !isFetching;
  }

  const watch = watchEvents({
    ...options,
    onEvent(event) {
      const { room } = event;
      if (!room) return;
      refetch("rooms");
      refetch("rooms", room);
      if (options.mode !== "write" || !write(room, event)) refetch("participants", room);
    },
    onGap() {
      refetch("rooms");
      refetch("participants");
    },
  });
  return {
    ...watch,
    close() {
      clearTimeout(timer);
      watch.close();
    },
  };
}

/** The key of the list of rooms, as `refetch` keeps it. Without names beside it, all rooms are meant. */
const ALL = '["participants"]';

/** The list of a room after an event; undefined if the event does not tell. */
function changed(list: readonly Participant[], { event, data }: PresenceEvent): readonly Participant[] | undefined {
  const { participant, track } = data;
  const [noun] = event.split("_");
  if (noun !== "participant" && noun !== "track") return list;
  if (!participant) return undefined;
  const { sid, identity } = participant;
  const others = list.filter(
    (other) => other.sid !== sid && (event === "participant_left" || other.identity !== identity),
  );
  if (event === "participant_left") return others;
  if (event === "participant_joined") return [...others, participant].sort(byJoining);
  const known = list.find((other) => other.sid === sid);
  if (!known || typeof track !== "object") return undefined;
  const tracks = known.tracks.filter((other) => other.sid !== track.sid);
  if (event === "track_published") tracks.push(track);
  return list.map((other) => (other === known ? { ...known, isPublisher: tracks.length > 0, tracks } : other));
}
