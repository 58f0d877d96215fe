// `watchRooms`.

import { connectRooms, type RoomsFeed } from "./connection/rooms.js";
import type { OfCounts, OfLists } from "./room.js";
import { shared } from "./share/feed.js";
import type { CountsSnapshot, RoomsWatch, ServiceOptions, View } from "./types.js";
import { socketOf, watch } from "./watch.js";

type RoomsOptions = ServiceOptions & { readonly rooms?: Iterable<string> | undefined };

/** Keeps the lists of many rooms up to date, on one connection; with `view: "count"`, only their numbers. */
export function watchRooms(options: RoomsOptions & OfCounts): RoomsWatch<CountsSnapshot>;
export function watchRooms(options: RoomsOptions & OfLists): RoomsWatch;
export function watchRooms(options: RoomsOptions & { readonly view?: View | undefined }): RoomsWatch<never> {
  const { view } = options;
  let feed: RoomsFeed;
  const watched = watch(
    options,
    (url, credentials, listener) => {
      feed =
        shared(options, url, credentials, listener, view) ??
        connectRooms(url, credentials, listener, view, socketOf(options));
      feed.setRooms(new Set(options.rooms));
      return feed;
    },
    (feed) => ({ rooms: feed.lists.shown, ...feed.link() }) as never,
  );
  return { ...watched, setRooms: (rooms: Iterable<string>) => feed.setRooms(new Set(rooms)) };
}
