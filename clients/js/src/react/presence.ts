// What a provider gives to the hooks below it. Nothing opens until a hook wants something, and so nothing opens on a server.

import type { Participant, RoomListing, RoomListSnapshot, RoomsSnapshot, ServiceOptions } from "../types.js";
import { watchRoomList, watchRooms } from "../watch.js";
import { Holder, type ShownLink } from "./held.js";

/** One room as a component sees it. */
export interface ShownRoom extends ShownLink {
  /** Ordered by time of joining; empty before the first list. A participant who did not change is the same object as before. */
  readonly participants: readonly Participant[];
  /** Increases with every change. Null before the first list. */
  readonly version: number | null;
  /** When this room last changed, in milliseconds since 1970; null before the first list. */
  readonly lastEventAt: number | null;
}

/** The list of rooms as a component sees it. */
export interface ShownRoomList extends ShownLink {
  /** Ordered by name. Null before the first answer. */
  readonly rooms: readonly RoomListing[] | null;
  /** When the list last changed, in milliseconds since 1970; null before the first answer. */
  readonly lastEventAt: number | null;
}

type ShownList = Pick<ShownRoom, "participants" | "version">;

const NOTHING: ShownList = { participants: Object.freeze([]), version: null };
/** The key of the list of rooms. There is only one. */
const ALL = "";

/** The rooms, and the list of rooms, that the components below one provider want. */
export class Presence {
  private readonly linkListeners = new Set<() => void>();
  private readonly rooms: Holder<RoomsSnapshot, ShownList, ShownRoom>;
  private readonly list: Holder<RoomListSnapshot, readonly RoomListing[] | null, ShownRoomList>;

  constructor(options: ServiceOptions) {
    const reconnect = () => {
      this.rooms.reconnect();
      this.list.reconnect();
    };
    const onLink = () => {
      for (const listener of [...this.linkListeners]) listener();
    };
    this.rooms = new Holder(
      {
        // Inherits the options instead of copying them, because `whenHidden` changes.
        open: (rooms) => watchRooms(Object.assign(Object.create(options) as ServiceOptions, { rooms })),
        part: (snapshot, room) => snapshot?.rooms.get(room) ?? NOTHING,
        // The connection may be live before this room's first list arrives.
        show: ({ participants, version }, link) => ({
          participants,
          version,
          ...link,
          status:
            version === null && (link.status === "live" || link.status === "polling") ? "connecting" : link.status,
        }),
      },
      reconnect,
      onLink,
    );
    this.list = new Holder(
      {
        open: () => watchRoomList(options),
        part: (snapshot) => snapshot?.rooms ?? null,
        show: (rooms, link) => ({ rooms, ...link }),
      },
      reconnect,
      onLink,
    );
  }

  room = (name: string | null | undefined): ShownRoom => this.rooms.shown(name || undefined);

  /** What is shown on a server, and until the page is hydrated. */
  roomAtFirst = (): ShownRoom => this.rooms.shown();

  wantRoom(name: string | null | undefined, listener: () => void): () => void {
    return name ? this.rooms.want(name, listener) : () => {};
  }

  roomList = (): ShownRoomList => this.list.shown(ALL);

  roomListAtFirst = (): ShownRoomList => this.list.shown();

  wantRoomList = (listener: () => void): (() => void) => this.list.want(ALL, listener);

  /** The link of the rooms if any is wanted; otherwise that of the list of rooms. */
  link = (): ShownLink => (this.rooms.isOpen || !this.list.isOpen ? this.rooms.link : this.list.link);

  linkAtFirst = (): ShownLink => this.rooms.beginning;

  onLink = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.linkListeners.add(own);
    return () => void this.linkListeners.delete(own);
  };
}
