/** A track that a participant publishes. */
export interface Track {
  readonly sid: string;
  /** `MICROPHONE`, `CAMERA`, `SCREEN_SHARE`, `SCREEN_SHARE_AUDIO`, `UNKNOWN`, or what a later LiveKit names. */
  readonly source: string;
  /** `AUDIO`, `VIDEO` or `DATA`. */
  readonly type: string;
  readonly muted: boolean;
  readonly name: string;
}

/** A track of data that a participant publishes. */
export interface DataTrack {
  readonly sid: string;
  readonly name: string;
}

/** What a participant may do, as LiveKit grants it. */
export interface Permission {
  readonly canPublish: boolean;
  readonly canSubscribe: boolean;
  readonly canPublishData: boolean;
  /** Has LiveKit's `agent` grant: counts as an agent, whatever its kind. */
  readonly agent?: true;
}

/** A participant in a room. */
export interface Participant {
  /** Identifies this session. A participant who leaves and comes back has a new one. */
  readonly sid: string;
  /** Unique within a list. */
  readonly identity: string;
  /** May be empty. */
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** `STANDARD`, `AGENT`, `SIP`, `INGRESS`, … */
  readonly kind: string;
  /** Milliseconds since 1970, by LiveKit's clock. */
  readonly joinedAt: number;
  readonly isPublisher: boolean;
  readonly tracks: readonly Track[];
  /** Left out where everything is allowed, and where LiveKit does not say. */
  readonly permission?: Permission;
  /** `CLOUD_AGENT`, `FORWARDED`, `CONNECTOR_WHATSAPP`, … Left out where there are none. */
  readonly kindDetails?: readonly string[];
  /** Left out where there are none. */
  readonly dataTracks?: readonly DataTrack[];
}

/**
 * How the lists are kept up to date.
 *
 * - `connecting`: the stream is being opened.
 * - `live`: the stream is open, and changes are shown as they happen.
 * - `polling`: there is no stream. The list is requested every few seconds, and the stream is tried again from time to time.
 * - `disconnected`: the service does not answer. The watch tries again by itself.
 * - `error`: the service refuses, and would refuse again. `error` says why; `reconnect()` tries once more.
 * - `closed`: `close()` was called.
 */
export type Status = "connecting" | "live" | "polling" | "disconnected" | "error" | "closed";

/** Why a watch is not up to date. Never contains a token. */
export interface PresenceError {
  /** The HTTP status of the answer. 0 if there was none, and 429 if the service ended the stream for a newer one. */
  readonly status: number;
  /** A sentence that says what is wrong, and what to do about it. */
  readonly message: string;
}

/** The part of a snapshot that all kinds of watches have. Times are milliseconds since 1970, by this machine's clock. */
export interface Link {
  readonly status: Status;
  /** Why the status is `disconnected` or `error`. Null otherwise. */
  readonly error: PresenceError | null;
  /** When a list last changed. Null before the first list. */
  readonly lastEventAt: number | null;
}

/** A room's list. */
export interface RoomState {
  /** Ordered by time of joining. A participant who did not change is the same object as before. */
  readonly participants: readonly Participant[];
  /** Increases with every change. */
  readonly version: number;
}

/** The numbers of a room, as LiveKit counts: agents and recorders are no people. */
export interface Counts {
  readonly people: number;
  readonly agents: number;
  /** People who publish a track. */
  readonly publishers: number;
}

/** A room's numbers. */
export interface RoomCounts {
  readonly counts: Counts;
  /** The version of the list when one of the numbers last changed. */
  readonly version: number;
}

/** One room, from `watchRoom`. */
export interface RoomSnapshot extends Link {
  /** Empty before the first list. */
  readonly participants: readonly Participant[];
  /** Increases with every change. Null before the first list. */
  readonly version: number | null;
}

/** Many rooms, from `watchRooms`. */
export interface RoomsSnapshot extends Link {
  /** Has no entry for a room whose first list has not arrived. */
  readonly rooms: ReadonlyMap<string, RoomState>;
}

/** The numbers of one room, from `watchRoom` with `view: "count"`. */
export interface CountSnapshot extends Link {
  /** Null before the first numbers. */
  readonly counts: Counts | null;
  /** The version of the list when one of the numbers last changed. Null before the first numbers. */
  readonly version: number | null;
}

/** The numbers of many rooms, from `watchRooms` with `view: "count"`. */
export interface CountsSnapshot extends Link {
  /** Has no entry for a room whose first numbers have not arrived. */
  readonly rooms: ReadonlyMap<string, RoomCounts>;
}

/** A room in the list of rooms. */
export interface RoomListing {
  readonly name: string;
  /** People and agents together. */
  readonly numParticipants: number;
  /** Whether the numbers are known to count everybody. */
  readonly exact: boolean;
  readonly people: number;
  readonly agents: number;
  /** People who publish a track. */
  readonly publishers: number;
  /** Since when the room is open, in milliseconds since 1970, by LiveKit's clock. Null where that is not known. */
  readonly startedAt: number | null;
  /** Whether LiveKit records the room. Left out where that is not known. */
  readonly recording?: boolean;
}

/** One room without its people, from `readRoom`. */
export interface RoomInfo extends RoomListing {
  /** Whether the list of rooms has it. */
  readonly active: boolean;
  /** LiveKit's id of it. Left out where it is not active, or where that is not known. */
  readonly sid?: string;
  /** Left out where the room is not active, and where it is not known. */
  readonly metadata?: string;
  /** Of the list of people, which increases with every change to it. */
  readonly version: number;
}

/** The active rooms, from `watchRoomList`. */
export interface RoomListSnapshot extends Link {
  /** Ordered by name. Null before the first answer. */
  readonly rooms: readonly RoomListing[] | null;
}

/** Keeps a snapshot up to date until it is closed. */
export interface Watch<Snapshot> {
  /** The current state. Immutable, and the same object until something changes. */
  snapshot(): Snapshot;
  /** Calls `listener` after each change. Returns a function that unsubscribes it. */
  subscribe(listener: () => void): () => void;
  /** Closes the connection and opens it again at once, whatever the status. Does nothing after `close`. */
  reconnect(): void;
  /** Ends the watch. The last lists stay in its snapshot, with the status `closed`. */
  close(): void;
}

/** A watch of many rooms. */
export interface RoomsWatch<Snapshot = RoomsSnapshot> extends Watch<Snapshot> {
  /** Watches these rooms, at most 100, instead of the earlier ones. Rooms that were already watched keep their lists. */
  setRooms(rooms: Iterable<string>): void;
}

/** A LiveKit access token, or a function that gets one and is called again before it expires, and when it is refused. */
export type TokenSource = string | (() => string | Promise<string>);

/**
 * What a watch does while the page is hidden. `keep` stays connected, as a title or a notification needs it; `close`
 * disconnects at once; a number disconnects after that many milliseconds.
 */
export type WhenHidden = "keep" | "close" | number;

/** What is watched of a room: only its numbers. Without a view, its list. */
export type View = "count";

/** How what happens gets to the page: by an `EventSource`, or by a `WebSocket`. */
export type TransportName = "sse" | "websocket";

/** How to connect to the service. */
export interface ServiceOptions {
  /** The service's address, with its path if that is not the root. By default the page's own origin. */
  readonly url?: string | undefined;
  /** Shows that the user may read. Not needed if the service is open to all, or reads a cookie. */
  readonly token?: TokenSource | undefined;
  /**
   * Whether to send the service's cookies if it is on another origin than the page. False by default. The service must have
   * `auth.cookie` set, and the page's origin in `http.cors_origins`. If it is on another site too, browsers send only cookies
   * with `SameSite=None` and `Secure`.
   */
  readonly withCredentials?: boolean | undefined;
  /** Whether the tabs of this origin share one connection. True by default. */
  readonly share?: boolean | undefined;
  /**
   * What to do while the page is hidden. By default, disconnect after a minute, and do not poll during that minute. Tabs that
   * share a connection follow the tab that wants to stay longest.
   */
  readonly whenHidden?: WhenHidden | undefined;
  /**
   * `"sse"` by default. `"websocket"` loads one more module when the watch opens; on a WebSocket the watched rooms change and
   * the token is renewed without another connection.
   */
  readonly transport?: TransportName | undefined;
}

/** What happened, from the feed of events. */
export interface PresenceEvent {
  /** LiveKit's id of the event, or one of the service. */
  readonly id: string;
  readonly type: "livekit";
  /**
   * `participant_joined`, `participant_left`, `track_published`, `room_started`, `egress_started`, …, as LiveKit names it;
   * `room_metadata_changed` and `moderation` are of the service.
   */
  readonly event: string;
  /** The name of the room. Left out for an event of no room. */
  readonly room?: string;
  /** What it is about. Which of these there are depends on the event; unknown events have none. */
  readonly data: {
    readonly room?: Readonly<Record<string, unknown>> & { readonly name: string; readonly metadata?: string };
    /** With `participant_left`, where LiveKit says why: `CLIENT_INITIATED`, `DUPLICATE_IDENTITY`, `ROOM_DELETED`, … */
    readonly participant?: Participant & { readonly disconnectReason?: string };
    /** With `moderation`, its sid. */
    readonly track?: Track | string;
    /** With `room_finished`, where LiveKit says why: `ROOM_END_IDLE_TIMEOUT`, `ROOM_END_API_DELETE`, … */
    readonly roomEndReason?: string;
    readonly [other: string]: unknown;
  };
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** Why somebody joined or left, if not by the webhook of that name: `comparison`, `room_finished`, … */
  readonly source?: string;
}

/** Which events to send. Without a filter, all. */
export interface EventFilter {
  /** The names of events. */
  readonly events?: readonly string[] | undefined;
  /** The names of rooms, at most 100. */
  readonly rooms?: readonly string[] | undefined;
  /** How the names of the rooms begin. */
  readonly prefix?: string | undefined;
}
