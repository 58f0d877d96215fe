// `watchRoom`.

import { connectRoom } from "./connection/room.js";
import { shared } from "./share/feed.js";
import type { CountSnapshot, RoomSnapshot, ServiceOptions, View, Watch } from "./types.js";
import { socketOf, watch } from "./watch.js";

type RoomOptions = ServiceOptions & { readonly room: string };
/** Without a view, the list. */
export interface OfLists {
  readonly view?: undefined;
}
export interface OfCounts {
  readonly view: View;
}

/** Keeps the list of one room up to date; with `view: "count"`, only its numbers. */
export function watchRoom(options: RoomOptions & OfCounts): Watch<CountSnapshot>;
export function watchRoom(options: RoomOptions & OfLists): Watch<RoomSnapshot>;
export function watchRoom(options: RoomOptions & { readonly view?: View | undefined }) {
  const { room, view } = options;
  return watch(
    options,
    (url, credentials, listener) =>
      shared(options, url, credentials, listener, view, room) ??
      connectRoom(url, credentials, listener, room, view, socketOf(options)),
    (feed) => ({
      ...(view ? { counts: null } : { participants: NOBODY }),
      version: null,
      ...feed.shown(room),
      ...feed.link(),
    }),
  );
}

const NOBODY: readonly never[] = [];
