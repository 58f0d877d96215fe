// What the package exports for any page.

import { connect, type Feed, type Listener } from "./connection.js";
import { credentialsFrom, type Credentials } from "./service.js";
import { followPage } from "./page.js";
import { shared } from "./share/feed.js";
import type { RoomListSnapshot, RoomSnapshot, RoomsSnapshot, RoomsWatch, ServiceOptions, Watch } from "./types.js";

/** Keeps the list of one room up to date. */
export function watchRoom(options: ServiceOptions & { readonly room: string }): Watch<RoomSnapshot> {
  const { room } = options;
  return watch(options, roomsFeed(options, [room]), ({ lists, link }): RoomSnapshot => {
    return { participants: NOBODY, version: null, ...lists.shown.get(room), ...link };
  });
}

/** Keeps the lists of many rooms up to date, on one connection. */
export function watchRooms(options: ServiceOptions & { readonly rooms?: Iterable<string> | undefined }): RoomsWatch {
  const make = roomsFeed(options, options.rooms ?? []);
  let feed: Feed;
  const watched = watch(
    options,
    (...given) => (feed = make(...given)),
    ({ lists, link }): RoomsSnapshot => ({ rooms: lists.shown, ...link }),
  );
  return { ...watched, setRooms: (rooms) => feed.setRooms(new Set(rooms)) };
}

/** Keeps the list of rooms up to date, by polling it every five seconds while the page is visible. */
export function watchRoomList(options: Omit<ServiceOptions, "share">): Watch<RoomListSnapshot> {
  return watch(options, connect, ({ roomList, link }): RoomListSnapshot => ({ rooms: roomList, ...link }));
}

const NOBODY: readonly never[] = [];

/** Makes a feed. The URL has no slash at its end. */
type Make<From> = (url: string, credentials: Credentials, listener: Listener) => From;

function roomsFeed(options: ServiceOptions, rooms: Iterable<string>): Make<Feed> {
  return (url, credentials, listener) => {
    const feed = shared(options, url, credentials, listener) ?? connect(url, credentials, listener, new Set());
    feed.setRooms(new Set(rooms));
    return feed;
  };
}

function watch<From extends Feed, Snapshot extends object>(
  options: ServiceOptions,
  make: Make<From>,
  view: (feed: From) => Snapshot,
): Watch<Snapshot> {
  const listeners = new Set<() => void>();
  let snapshot: Readonly<Snapshot> | undefined;
  const feed = make((options.url ?? "").replace(/\/+$/, ""), credentialsFrom(options.token, options.withCredentials), {
    onChange() {
      snapshot = undefined;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          // A listener belongs to the page. Its error must not keep the other listeners from being called.
          console.error(error);
        }
      }
    },
  });
  const leavePage = followPage(feed, options);
  feed.resume();
  return {
    snapshot: () => (snapshot ??= Object.freeze(view(feed))),
    subscribe(listener) {
      // A new function, so that the same listener can subscribe twice.
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },
    reconnect: () => feed.reconnect(),
    close() {
      leavePage();
      feed.close();
    },
  };
}
