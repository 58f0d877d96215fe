// Some rooms as the topic of a connection: their lists, or their counts.

import { connect, type Listener } from "../connection.js";
import { emptyLists, type Lists, type Message, type Snapshot } from "../lists.js";
import { queryOf, type Credentials } from "../service.js";
import type { Participant, View } from "../types.js";
import { askFor, sentCounts, type RoomFeed, type SentCounts } from "./room.js";
import { Effect, type LoadSocket, type Topic } from "./topic.js";

/** A feed of rooms that may change. */
export interface RoomsFeed extends RoomFeed {
  readonly lists: Lists;
  setRooms(rooms: ReadonlySet<string>): void;
}

/** What a connection of rooms tells its owner. */
export interface RoomsListener extends Listener {
  /** A list or a change is now shown. `before` is the version that was shown until then. */
  onMessage?(message: Message, before: number | undefined): void;
}

/** Streams what happens in some rooms, and polls them while there is no stream. Begins without a room. */
export function connectRooms(
  url: string,
  credentials: Credentials,
  listener: RoomsListener,
  view: View | undefined,
  loadSocket: LoadSocket | undefined,
): RoomsFeed {
  let rooms: ReadonlySet<string> = new Set();
  const lists = emptyLists();

  function take(message: Message): Effect {
    const { room } = message;
    // What was under way when the room was dropped on the open connection.
    if (!rooms.has(room)) return Effect.SAME;
    const before = lists.shown.get(room)?.version;
    const effect = lists.apply(message);
    if (effect === Effect.CHANGED) {
      const isNext = "prev" in message && message.prev === before;
      listener.onMessage?.(isNext ? message : { room, ...lists.shown.get(room)! }, before);
    }
    return effect;
  }

  /** The stream of a single room does not name it. */
  const only = () => [...rooms][0]!;
  const takeCounts = ({ room = only(), ...counts }: SentCounts & { readonly room?: string }) =>
    take({ room, ...sentCounts(counts) });

  const topic: Topic = {
    path(query) {
      for (const room of rooms) query.append("room", room);
      if (view) query.append("view", view);
      if (rooms.size > 1) return "livekit/rooms/stream";
      const shown = lists.shown.get(only());
      if (shown && !view) query.append("last_event_id", `${shown.version}`);
      return rooms.size ? "livekit/participants/stream" : undefined;
    },
    on: {
      // The service knows which version is shown. If its first list is older, it has lost that version.
      "participants:update": (participants: readonly Participant[], id, replaces) =>
        take({ room: only(), version: +id, participants, replaces }),
      "room:snapshot": (snapshot: Snapshot) => take(snapshot),
      "room:delta": take,
      count: takeCounts,
      "room:count": takeCounts,
    },
    hasSome: () => lists.shown.size,
    hasAll: () => [...rooms].every((room) => lists.shown.has(room)),
    // With many rooms, the first failure asks for one list only, to learn the reason. After a second one all are polled.
    async ask(token, hasFailed, takeAnswer) {
      const isAll = rooms.size === 1 || hasFailed;
      await Promise.all(
        [...rooms].slice(0, isAll ? Infinity : 1).map(async (room) => {
          const sent = await askFor(url, room, view, lists.shown.get(room), token, credentials);
          if (sent) takeAnswer(() => take({ room, ...sent }));
        }),
      );
      return isAll;
    },
  };

  const feed = connect(url, credentials, listener, topic, loadSocket);
  const change = feed.setRooms;
  return Object.assign(feed, {
    lists,
    shown: (room: string) => lists.shown.get(room),
    setRooms(newRooms: ReadonlySet<string>) {
      if (`${queryOf(rooms)}` === `${queryOf(newRooms)}`) return;
      const before = rooms;
      rooms = newRooms;
      lists.keep(rooms);
      change(before, rooms);
      listener.onChange();
    },
  });
}
