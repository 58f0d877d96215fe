/** What somebody sends. */
export interface Track {
  readonly sid: string;
  /** `MICROPHONE`, `CAMERA`, `SCREEN_SHARE`, `SCREEN_SHARE_AUDIO`, `UNKNOWN`, or what a later LiveKit names. */
  readonly source: string;
  /** `AUDIO`, `VIDEO` or `DATA`. */
  readonly type: string;
  readonly muted: boolean;
  readonly name: string;
}

/** Somebody in a room. */
export interface Participant {
  /** Of this session: another one after they left and came back. */
  readonly sid: string;
  /** In a list, each has another. */
  readonly identity: string;
  /** May be empty. */
  readonly name: string;
  readonly metadata: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** `STANDARD`, `AGENT`, `SIP`, `INGRESS`, … */
  readonly kind: string;
  /** In milliseconds since 1970, by LiveKit's clock. */
  readonly joinedAt: number;
  readonly isPublisher: boolean;
  readonly tracks: readonly Track[];
}

/**
 * How what is shown is kept up to date.
 *
 * - `connecting`: the stream is being opened.
 * - `live`: it is open; changes are shown as they happen.
 * - `polling`: there is no stream; the list is asked for every few seconds. The stream is still tried.
 * - `disconnected`: the service does not answer; it is tried again, by itself.
 * - `error`: the service refuses, and trying again would not help; `error` says why. `reconnect()` tries nevertheless.
 * - `closed`: by `close()`.
 */
export type Status = "connecting" | "live" | "polling" | "disconnected" | "error" | "closed";

/** Why something does not work. Never contains a token. */
export interface PresenceError {
  /** The HTTP status that the service answered; 0 when there was no answer, and 429 when it ended the stream for a newer one. */
  readonly status: number;
  /** A sentence that says what can be done. */
  readonly message: string;
}

/** What is the same for all that is watched. Times are in milliseconds since 1970, by this machine's clock. */
export interface Link {
  readonly status: Status;
  /** Why it is `disconnected` or an `error`; null otherwise. */
  readonly error: PresenceError | null;
  /** When something last changed; null before the first list. */
  readonly lastEventAt: number | null;
}

/** A room's list. */
export interface RoomState {
  /** In order of joining. Those who did not change are the same objects as before. */
  readonly participants: readonly Participant[];
  /** Only rises. */
  readonly version: number;
}

/** One room, from `watchRoom`. */
export interface RoomSnapshot extends Link {
  /** Empty before the first list. */
  readonly participants: readonly Participant[];
  /** Only rises. Null before the first list. */
  readonly version: number | null;
}

/** Many rooms, from `watchRooms`. */
export interface RoomsSnapshot extends Link {
  /** Rooms without a list yet are not in it. */
  readonly rooms: ReadonlyMap<string, RoomState>;
}

/** A room in the list of rooms. */
export interface RoomListing {
  readonly name: string;
  readonly numParticipants: number;
  /** Whether that is known to be everybody. */
  readonly exact: boolean;
}

/** The rooms that are active, from `watchRoomList`. */
export interface RoomListSnapshot extends Link {
  /** In order of their names. Null before the first answer. */
  readonly rooms: readonly RoomListing[] | null;
}

/** Something that is kept up to date until it is closed. */
export interface Watch<Snapshot> {
  /** What is known now: immutable, and the same object until something is different. */
  snapshot(): Snapshot;
  /** Calls `listener` after each change. Returns what ends that. */
  subscribe(listener: () => void): () => void;
  /** Connects anew, at once, whatever the status is. Does nothing after `close`. */
  reconnect(): void;
  /** Ends it. The last snapshot stays, with the status `closed`. */
  close(): void;
}

/** Many rooms, and which they are can change. */
export interface RoomsWatch extends Watch<RoomsSnapshot> {
  /** Watches these from now on, up to 100. Those that were watched already keep their lists. */
  setRooms(rooms: Iterable<string>): void;
}

/** A LiveKit access token, or what gets one: called again before it expires, and when it is refused. */
export type TokenSource = string | (() => string | Promise<string>);

/**
 * What becomes of a watch while the page is hidden: `keep` stays up to date, as for a title or a notification; `close` lets go
 * at once; a number lets go after so many milliseconds.
 */
export type WhenHidden = "keep" | "close" | number;

/** How the service is reached. */
export interface ServiceOptions {
  /** Where the service is; with its path, if it is not at the root. The page's own origin if there is none. */
  readonly url?: string | undefined;
  /** Who may read. None if the service is open, or reads a cookie of its own origin. */
  readonly token?: TokenSource | undefined;
  /**
   * Whether the cookies of the service's origin are sent where that is not the page's own; false if not given. The service reads
   * the token from its `auth.cookie`, and must name the page's origin in its `http.cors_origins`. Browsers send such a cookie only
   * if it has `SameSite=None` and `Secure`, unless both origins are of one site.
   */
  readonly withCredentials?: boolean | undefined;
  /** Whether the tabs of this origin share one connection; true if not given. */
  readonly share?: boolean | undefined;
  /**
   * What becomes of it while the page is hidden. If not given it lets go after a minute, in which nothing is asked for where
   * there is no stream. Tabs that share a connection have what the one of them wants that wants most.
   */
  readonly whenHidden?: WhenHidden | undefined;
}
