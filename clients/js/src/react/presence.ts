// What a provider gives to the hooks below it. Nothing opens until a hook wants something, and so nothing opens on a server.

import type { AttendanceSource } from "../attendance/feed.js";
import { tell, watchEvents } from "../events.js";
import { watchRoomList } from "../room-list.js";
import { watchRooms } from "../rooms.js";
import { credentialsFrom, type Credentials } from "../service.js";
import type {
  Counts,
  CountsSnapshot,
  EventFilter,
  Link,
  Participant,
  PresenceEvent,
  RoomListing,
  RoomListSnapshot,
  RoomsSnapshot,
  ServiceOptions,
  TokenSource,
} from "../types.js";
import { Holder, type SharedWatch, type ShownLink } from "./held.js";

/** One room as a component sees it. */
export interface ShownRoom extends ShownLink {
  /** Ordered by time of joining; empty before the first list. A participant who did not change is the same object as before. */
  readonly participants: readonly Participant[];
  /** Increases with every change. Null before the first list. */
  readonly version: number | null;
  /** When this room last changed, in milliseconds since 1970; null before the first list. */
  readonly lastEventAt: number | null;
}

/** The numbers of a room as a component sees them. */
export interface ShownCount extends ShownLink {
  /** Null before the first numbers. */
  readonly counts: Counts | null;
  /** When a number last changed, in milliseconds since 1970; null before the first numbers. */
  readonly lastEventAt: number | null;
}

/** The list of rooms as a component sees it. */
export interface ShownRoomList extends ShownLink {
  /** Ordered by name. Null before the first list. */
  readonly rooms: readonly RoomListing[] | null;
  /** When the list last changed, in milliseconds since 1970; null before the first list. */
  readonly lastEventAt: number | null;
}

/** Where the service is, and who asks. The URL has no slash at its end. */
export interface Caller {
  readonly url: string;
  readonly credentials: Credentials;
}

/** What a component does with events. */
export interface EventHandlers {
  onEvent(event: PresenceEvent): void;
  onGap(): void;
}

type ShownList = Pick<ShownRoom, "participants" | "version">;

const NOTHING: ShownList = { participants: Object.freeze([]), version: null };
/** The key of what a holder has only one of. */
const ALL = "";

/** The events with one filter, and who wants them. */
interface Events {
  readonly holder: Holder<Link, null, ShownLink>;
  readonly handlers: Set<EventHandlers>;
}

/** What the components below one provider want: rooms, their numbers, lists of rooms, events. */
export class Presence {
  private readonly linkListeners = new Set<() => void>();
  private readonly rooms: Holder<RoomsSnapshot, ShownList, ShownRoom>;
  private readonly counts: Holder<CountsSnapshot, Counts | null, ShownCount>;
  /** By prefix: those that are wanted. */
  private readonly lists = new Map<string, Holder<RoomListSnapshot, readonly RoomListing[] | null, ShownRoomList>>();
  /** By filter, as JSON: those that are wanted. */
  private readonly events = new Map<string, Events>();
  /** By a name: those of `others` that are wanted. */
  private readonly others = new Map<string, Holder<never, never, never>>();
  /** For what is fetched beside the streams. */
  private readonly credentials: Credentials;

  constructor(private readonly options: ServiceOptions) {
    this.credentials = credentialsFrom(options.token, options.withCredentials);
    this.rooms = new Holder(
      {
        open: (rooms) => watchRooms(this.with({ rooms })),
        part: (snapshot, room) => snapshot?.rooms.get(room) ?? NOTHING,
        show: ({ participants, version }, link) => ({ participants, version, ...waiting(link, version === null) }),
      },
      this.reconnect,
      this.tellLink,
    );
    this.counts = new Holder(
      {
        open: (rooms) => watchRooms(this.with({ rooms, view: "count" as const })),
        part: (snapshot, room) => snapshot?.rooms.get(room)?.counts ?? null,
        show: (counts, link) => ({ counts, ...waiting(link, counts === null) }),
      },
      this.reconnect,
      this.tellLink,
    );
  }

  room = (name: string | null | undefined): ShownRoom => this.rooms.shown(name || undefined);

  /** What is shown on a server, and until the page is hydrated. */
  roomAtFirst = (): ShownRoom => this.rooms.shown();

  wantRoom(name: string | null | undefined, listener: () => void): () => void {
    return name ? this.rooms.want(name, listener) : () => {};
  }

  count = (room: string | null | undefined): ShownCount => this.counts.shown(room || undefined);

  countAtFirst = (): ShownCount => this.counts.shown();

  wantCount(room: string | null | undefined, listener: () => void): () => void {
    return room ? this.counts.want(room, listener) : () => {};
  }

  roomList = (prefix: string): ShownRoomList => this.list(prefix).shown(ALL);

  roomListAtFirst = (prefix: string): ShownRoomList => this.list(prefix).shown();

  wantRoomList = (prefix: string, listener: () => void): (() => void) => this.list(prefix).want(ALL, listener);

  /** Where the history of a room comes from. */
  history(room: string): AttendanceSource {
    return { ...this.caller(), room };
  }

  /** Where the service is, and who asks. Another token than the provider's has credentials of its own. */
  caller(token?: TokenSource): Caller {
    const { url = "", withCredentials } = this.options;
    const credentials = token === undefined ? this.credentials : credentialsFrom(token, withCredentials);
    return { url: url.replace(/\/+$/, ""), credentials };
  }

  /** The holder of what only some pages want, so that others do not load it. `held` is asked for the first that wants it. */
  other<Snapshot extends Link, Part, Shown extends ShownLink>(
    name: string,
    held: (options: ServiceOptions) => SharedWatch<Snapshot, Part, Shown>,
  ): Holder<Snapshot, Part, Shown> {
    let holder = this.others.get(name) as Holder<Snapshot, Part, Shown> | undefined;
    if (!holder) {
      holder = new Holder(held(this.options), this.reconnect, this.tellLink, () => this.others.delete(name));
      this.others.set(name, holder as Holder<never, never, never>);
    }
    return holder;
  }

  eventsLink = (filter: string): ShownLink => this.eventsOf(filter).holder.shown(ALL);

  eventsLinkAtFirst = (filter: string): ShownLink => this.eventsOf(filter).holder.shown();

  wantEvents(filter: string, handlers: EventHandlers, listener: () => void): () => void {
    const events = this.eventsOf(filter);
    events.handlers.add(handlers);
    const leave = events.holder.want(ALL, listener);
    return () => {
      events.handlers.delete(handlers);
      leave();
    };
  }

  /** The link of the rooms if any is wanted; otherwise that of the counts, of a list of rooms, of the events, or of what else there is. */
  link = (): ShownLink => (this.holders.find(({ isOpen }) => isOpen) ?? this.rooms).link;

  linkAtFirst = (): ShownLink => this.rooms.beginning;

  onLink = (listener: () => void): (() => void) => {
    const own = () => listener();
    this.linkListeners.add(own);
    return () => void this.linkListeners.delete(own);
  };

  private get holders() {
    const events = [...this.events.values()].map(({ holder }) => holder);
    return [this.rooms, this.counts, ...this.lists.values(), ...events, ...this.others.values()];
  }

  private readonly reconnect = (): void => {
    for (const holder of this.holders) holder.reconnect();
  };

  private readonly tellLink = (): void => {
    for (const listener of [...this.linkListeners]) listener();
  };

  /** Inherits the options instead of copying them, because `whenHidden` changes. */
  private with<More extends object>(more: More): ServiceOptions & More {
    return Object.assign(Object.create(this.options) as ServiceOptions, more);
  }

  private list(prefix: string) {
    let holder = this.lists.get(prefix);
    if (!holder) {
      holder = new Holder(
        {
          open: () => watchRoomList(this.with({ prefix })),
          part: (snapshot) => snapshot?.rooms ?? null,
          show: (rooms, link) => ({ rooms, ...link }),
        },
        this.reconnect,
        this.tellLink,
        () => this.lists.delete(prefix),
      );
      this.lists.set(prefix, holder);
    }
    return holder;
  }

  private eventsOf(filter: string): Events {
    let events = this.events.get(filter);
    if (!events) {
      const handlers = new Set<EventHandlers>();
      const each = (act: (handler: EventHandlers) => void) => [...handlers].forEach((handler) => tell(act, handler));
      const holder: Events["holder"] = new Holder(
        {
          open: () =>
            watchEvents(
              this.with({
                filter: JSON.parse(filter) as EventFilter,
                onEvent: (event: PresenceEvent) => each((handler) => handler.onEvent(event)),
                onGap: () => each((handler) => handler.onGap()),
              }),
            ),
          // An event is no reason to render.
          part: () => null,
          show: (_, link) => link,
        },
        this.reconnect,
        this.tellLink,
        () => this.events.delete(filter),
      );
      events = { holder, handlers };
      this.events.set(filter, events);
    }
    return events;
  }
}

/** The connection may be live before what a component wants of it arrives. */
function waiting(link: ShownLink, isWaiting: boolean): ShownLink {
  const isUp = link.status === "live" || link.status === "polling";
  return isWaiting && isUp ? { ...link, status: "connecting" } : link;
}
