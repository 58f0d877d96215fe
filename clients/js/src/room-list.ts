// `watchRoomList`.

import { connect, type Feed } from "./connection.js";
import { Effect, type Topic } from "./connection/topic.js";
import { isAlike } from "./shown.js";
import { get } from "./service.js";
import type { RoomListing, RoomListSnapshot, ServiceOptions, Watch } from "./types.js";
import { socketOf, watch, type Make } from "./watch.js";

/** `rooms:snapshot`: the whole list. */
interface WholeList {
  readonly version: number;
  readonly rooms: readonly RoomListing[];
}

/** `rooms:delta`: what changed in the list since `prev`. */
interface ListChange {
  readonly prev: number;
  readonly version: number;
  readonly changed: readonly RoomListing[];
  /** Names. */
  readonly gone: readonly string[];
}

/** How to watch the list of rooms. Tabs do not share it. */
export interface RoomListOptions extends Omit<ServiceOptions, "share"> {
  /** Only rooms whose names begin with this. */
  readonly prefix?: string | undefined;
}

/** Keeps the list of rooms up to date. */
export function watchRoomList(options: RoomListOptions): Watch<RoomListSnapshot> {
  const { prefix } = options;
  let rooms: readonly RoomListing[] | null = null;
  /** Of the list on this stream. Means nothing on another. */
  let version: number;
  let etag: string | null | undefined;

  /** Shows what came by a stream: the last plain answer is no longer what is shown. */
  function showSent(list: readonly RoomListing[]): Effect {
    etag = undefined;
    return show(list);
  }

  /** A room that did not change stays the same object, and so does a list in which no room did. */
  function show(list: readonly RoomListing[]): Effect {
    const before = new Map(rooms?.map((room) => [room.name, room]));
    const now = list.map((room) => (isAlike(before.get(room.name), room) ? before.get(room.name)! : room));
    if (now.length === rooms?.length && now.every((room, index) => room === rooms![index])) return Effect.SAME;
    rooms = Object.freeze(now);
    return Effect.CHANGED;
  }

  const make: Make<Feed> = (url, credentials, listener) => {
    const topic: Topic = {
      path(query) {
        query.append("all", "true");
        if (prefix) query.append("prefix", prefix);
        return "livekit/rooms/stream";
      },
      on: {
        "rooms:snapshot": (list: WholeList) => {
          version = list.version;
          return showSent(list.rooms);
        },
        "rooms:delta": ({ prev, version: next, changed, gone }: ListChange, _id, isFirst) => {
          if (isFirst || prev !== version) return Effect.GAP;
          version = next;
          const others = new Set([...gone, ...changed.map(({ name }) => name)]);
          return showSent([...rooms!.filter(({ name }) => !others.has(name)), ...changed].sort(byName));
        },
      },
      hasSome: () => rooms !== null,
      hasAll: () => rooms !== null,
      async ask(token, _hasFailed, take) {
        const query = prefix ? `?prefix=${encodeURIComponent(prefix)}` : "";
        const answer = await get(`${url}/api/livekit/rooms${query}`, token, credentials, etag);
        take(() => {
          if (!answer.body) return Effect.SAME;
          ({ etag } = answer);
          return show(answer.body as RoomListing[]);
        });
        return true;
      },
    };
    return connect(url, credentials, listener, topic, socketOf(options));
  };
  return watch(options, make, (feed): RoomListSnapshot => ({ rooms, ...feed.link() }));
}

/** The service's order: by the bytes of the names in UTF-8, which is that of their characters. */
function byName(a: RoomListing, b: RoomListing): number {
  const [one, other] = [Array.from(a.name), Array.from(b.name)];
  const index = one.findIndex((char, at) => char !== other[at]);
  return index < 0 ? one.length - other.length : one[index]!.codePointAt(0)! - (other[index]?.codePointAt(0) ?? -1);
}
