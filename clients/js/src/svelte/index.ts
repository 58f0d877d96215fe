// `livekit-presence/svelte`: the watches as stores, which Svelte 3 to 5 read as `$room`. Svelte 5 also takes them by `fromStore`.

import { watchEvents, type EventsOptions } from "../events.js";
import { watchRoomList, type RoomListOptions } from "../room-list.js";
import { watchRoom } from "../room.js";
import type { CountSnapshot, Link, RoomListSnapshot, RoomSnapshot, ServiceOptions, Watch } from "../types.js";

/** A store: opens a connection with its first subscriber, and closes it a second after the last. */
export interface PresenceStore<Snapshot> {
  /** Calls `run` at once, and after each change. Returns a function that ends this. */
  subscribe(run: (snapshot: Snapshot) => void): () => void;
  /** Connects again at once. */
  reconnect(): void;
}

/** The participants of a room, kept up to date. */
export const participants = (room: string, options?: ServiceOptions): PresenceStore<RoomSnapshot> =>
  storeOf({ participants: [], version: null }, () => watchRoom({ ...options, room }));

/** The numbers of a room. */
export const roomCount = (room: string, options?: ServiceOptions): PresenceStore<CountSnapshot> =>
  storeOf({ counts: null, version: null }, () => watchRoom({ ...options, room, view: "count" }));

/** The list of rooms, or of those whose names begin with a prefix. Needs a token that may read every room. */
export const rooms = (options: RoomListOptions = {}): PresenceStore<RoomListSnapshot> =>
  storeOf({ rooms: null }, () => watchRoomList(options));

/** Calls `onEvent` for each event that passes the filter, as long as the store has a subscriber. */
export const events = (options: EventsOptions): PresenceStore<Link> => storeOf({}, () => watchEvents(options));

const enum Millis {
  /** How long an unwanted watch stays: the next page of the app may want it at once. */
  LINGER = 1_000,
}

function storeOf<Snapshot extends Link>(
  nothing: Omit<Snapshot, keyof Link>,
  open: () => Watch<Snapshot>,
): PresenceStore<Snapshot> {
  const beginning = { ...nothing, status: "connecting", error: null, lastEventAt: null } as unknown as Snapshot;
  const runs = new Set<() => void>();
  let watch: Watch<Snapshot> | undefined;
  let closing: ReturnType<typeof setTimeout> | undefined;
  return {
    subscribe(run) {
      // A function of its own, so that the same one can be added twice.
      const tell = () => run(watch ? watch.snapshot() : beginning);
      // On a server nothing is opened.
      if (typeof document !== "undefined") {
        clearTimeout(closing);
        if (!watch) {
          watch = open();
          watch.subscribe(() => runs.forEach((tell) => tell()));
        }
        runs.add(tell);
      }
      tell();
      return () => {
        if (!runs.delete(tell) || runs.size > 0) return;
        closing = setTimeout(() => {
          watch?.close();
          watch = undefined;
        }, Millis.LINGER);
      };
    },
    reconnect: () => watch?.reconnect(),
  };
}
