// What a provider gives to the hooks below it. Nothing is open until a hook wants something, and so never on a server.

import type { Participant, RoomListing, RoomListSnapshot, RoomsSnapshot, ServiceOptions } from "../types.js";
import { watchRoomList, watchRooms } from "../watch.js";
import { Holder, type ShownLink } from "./held.js";

/** One room as a component sees it. */
export interface ShownRoom extends ShownLink {
  /** In order of joining; empty before the first list. Those who did not change are the same objects as before. */
  readonly participants: readonly Participant[];
  /** Only rises. Null before the first list. */
  readonly version: number | null;
  /** When this room last changed, in milliseconds since 1970; null before the first list. */
  readonly lastEventAt: number | null;
}

/** The list of rooms as a component sees it. */
export interface ShownRoomList extends ShownLink {
  /** In order of their names. Null before the first answer. */
  readonly rooms: readonly RoomListing[] | null;
  /** When the list last changed, in milliseconds since 1970; null before the first answer. */
  readonly lastEventAt: number | null;
}

type Listed = Pick<ShownRoom, "participants" | "version">;

const NOTHING: Listed = { participants: Object.freeze([]), version: null };
/** The only list of rooms that there is. */
const ALL = "";

/** The rooms, and the list of rooms, that the components below one provider want. */
export class Presence {
  private readonly linkListeners = new Set<() => void>();
  private readonly rooms: Holder<RoomsSnapshot, Listed, ShownRoom>;
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
        // Not a copy of the options: `whenHidden` changes.
        open: (rooms) => watchRooms(Object.assign(Object.create(options) as ServiceOptions, { rooms })),
        part: (snapshot, room) => snapshot?.rooms.get(room) ?? NOTHING,
        // The connection is live, and this room was added to it just now.
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

  /** As it is on a server, and until a page is hydrated. */
  roomAtFirst = (): ShownRoom => this.rooms.shown();

  wantRoom(name: string | null | undefined, listener: () => void): () => void {
    return name ? this.rooms.want(name, listener) : () => {};
  }

  roomList = (): ShownRoomList => this.list.shown(ALL);

  roomListAtFirst = (): ShownRoomList => this.list.shown();

  wantRoomList = (listener: () => void): (() => void) => this.list.want(ALL, listener);

  /** Of the rooms if any is wanted, or else of the list of rooms. */
  link = (): ShownLink => (this.rooms.isOpen || !this.list.isOpen ? this.rooms.link : this.list.link);

  linkAtFirst = (): ShownLink => this.rooms.beginning;

  onLink = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.linkListeners.add(own);
    return () => void this.linkListeners.delete(own);
  };
}
