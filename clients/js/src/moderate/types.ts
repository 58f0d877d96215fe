// What the service has for those who moderate a room: the roster, bans, and what a call answers.

import type { Link, Participant, ServiceOptions, Watch } from "../types.js";

/** Which part of the tracks a permission or `muteAll` is about. */
export type TrackSource = "microphone" | "camera" | "screen_share" | "screen_share_audio";

/** What somebody may do in LiveKit. What is left out stays as it is. */
export interface PermissionChange {
  readonly canPublish?: boolean | undefined;
  readonly canSubscribe?: boolean | undefined;
  readonly canPublishData?: boolean | undefined;
  /** Empty: all of them. */
  readonly canPublishSources?: readonly TrackSource[] | undefined;
  readonly canUpdateMetadata?: boolean | undefined;
}

/** `INVITED`: not yet here. `JOINED`: inside. `LEFT`: was here. */
export type RosterStatus = "INVITED" | "JOINED" | "LEFT";

/** Somebody who is expected in a room, is in it, or was in it. */
export interface RosterEntry {
  readonly identity: string;
  readonly name?: string;
  /** One of the roles that the service has: `host`, `speaker` and `viewer`, by default. */
  readonly role: string;
  readonly canSpeak: boolean;
  readonly canVideo: boolean;
  /** False for somebody who came without being on the roster. */
  readonly invited: boolean;
  /** The times are as in `2026-12-01T00:00:00Z`. */
  readonly invitedAt: string | null;
  readonly note?: string;
  readonly status: RosterStatus;
  readonly joinedAt: string | null;
  readonly leftAt: string | null;
  /** For `ifVersion`: only if the entry is still this one. */
  readonly version: string;
}

/** What moderators write into an entry of the roster. */
export interface RosterChange {
  readonly role?: string | undefined;
  /** Null: as the role says. */
  readonly canSpeak?: boolean | null | undefined;
  /** Null: as the role says. */
  readonly canVideo?: boolean | null | undefined;
  readonly note?: string | null | undefined;
}

/** An entry of many that are written at once. */
export interface RosterLine extends RosterChange {
  readonly identity: string;
}

/** Whether to write only if the entry is as it was when it was read. The refusal has the status 412. */
export interface RosterCondition {
  /** The `version` of an entry, or `null`: only if there is no entry. */
  readonly ifVersion?: string | null | undefined;
}

/** How many are on the roster, and how many of them are inside. */
export interface RosterTotals {
  readonly onlineCount: number;
  readonly totalCount: number;
}

/** The whole roster of a room, ordered by identity. */
export interface Roster extends RosterTotals {
  readonly entries: readonly RosterEntry[];
}

/** The roster of a room, from `watchRoster`. */
export interface RosterSnapshot extends Link {
  /** Ordered by identity, and empty before the first list. An entry that did not change is the same object as before. */
  readonly entries: readonly RosterEntry[];
  /** People who are inside. Null before the first list. */
  readonly onlineCount: number | null;
  /** People on the roster. Null before the first list. */
  readonly totalCount: number | null;
}

/** How to watch a roster. Tabs do not share it. */
export interface RosterOptions extends Omit<ServiceOptions, "share"> {
  readonly room: string;
  /** Called with each new snapshot, as a listener of the watch is. */
  readonly onUpdate?: ((snapshot: RosterSnapshot) => void) | undefined;
}

export type RosterWatch = Watch<RosterSnapshot>;

/** Somebody who may not come in. */
export interface Ban {
  readonly identity: string;
  /** Null: for ever. */
  readonly until: string | null;
  readonly reason?: string;
  readonly bannedAt: string;
  /** The identity of the moderator. */
  readonly by: string;
}

/** How to ban. Without `until`, for ever. */
export interface BanOptions {
  readonly until?: Date | string | null | undefined;
  readonly reason?: string | undefined;
}

/** What to change of somebody. The roster has the first four; the rest is LiveKit's, and lasts while they are inside. */
export interface Update extends RosterChange {
  readonly name?: string | undefined;
  readonly metadata?: string | undefined;
  /** Null or an empty text removes an attribute. */
  readonly attributes?: Readonly<Record<string, string | null>> | undefined;
  readonly permission?: PermissionChange | undefined;
}

/** What `update` has changed: of each part that it asked for, what it is now. */
export interface Updated {
  readonly entry?: RosterEntry;
  readonly participant?: Participant;
}

/** A track after `mute`. */
export interface MutedTrack {
  readonly sid: string;
  readonly source: string;
  readonly type: string;
  readonly muted: boolean;
  readonly name: string;
}

/** Whose tracks `muteAll` mutes. */
export interface MuteAllOptions {
  /** The identities that stay as they are. */
  readonly except?: readonly string[] | undefined;
  /** Microphones, by default. */
  readonly sources?: readonly TrackSource[] | undefined;
}

/** What `muteAll` did. */
export interface MutedAll {
  readonly muted: readonly { readonly identity: string; readonly sid: string }[];
  readonly failed: readonly { readonly identity: string; readonly sid: string; readonly detail: string }[];
}

/** The roster of a room, as a moderator reads and writes it. Whoever may read the room may `get`. */
export interface RosterCalls {
  /** The whole roster, however many pages it has. */
  get(): Promise<Roster>;
  /** One entry. The refusal has the status 404 if there is none. */
  get(identity: string): Promise<RosterEntry>;
  /** Replaces the whole roster. */
  put(lines: readonly RosterLine[]): Promise<RosterTotals>;
  /** Invites somebody, or replaces their entry: what is left out is as if it had never been said. */
  put(identity: string, change?: RosterChange, condition?: RosterCondition): Promise<RosterEntry>;
  /** Adds and changes many entries. */
  patch(lines: readonly RosterLine[]): Promise<RosterTotals>;
  /** Changes an entry: what is left out stays. */
  patch(identity: string, change: RosterChange, condition?: RosterCondition): Promise<RosterEntry>;
  /** Takes somebody off the roster. Nobody is removed from the room. */
  delete(identity: string, condition?: RosterCondition): Promise<void>;
  /** Empties the roster. */
  clear(): Promise<RosterTotals>;
}

/** Moderates one room. Each call rejects with a `ModerationError` if the service refuses or does not answer. */
export interface Moderator {
  readonly room: string;
  /** Changes what somebody may do, and who they are. The roster is written first. */
  update(identity: string, update: Update): Promise<Updated>;
  /** Removes somebody from the room. With `revoke`, LiveKit takes their present tokens no more. */
  remove(identity: string, options?: { readonly revoke?: boolean | undefined }): Promise<void>;
  /** Mutes a track; with `false`, unmutes it, which LiveKit allows only where `room.enable_remote_unmute` is set. */
  mute(identity: string, trackSid: string, muted?: boolean): Promise<MutedTrack>;
  /** Mutes everybody's microphones. */
  muteAll(options?: MuteAllOptions): Promise<MutedAll>;
  /** Keeps somebody out, and removes them if they are inside. A second ban replaces the first. */
  ban(identity: string, options?: BanOptions): Promise<Ban>;
  unban(identity: string): Promise<void>;
  bans(): Promise<readonly Ban[]>;
  /** Ends the room: everybody is removed. */
  end(): Promise<void>;
  readonly roster: RosterCalls;
}

/** Where the service is, and who asks. */
export type CallOptions = Pick<ServiceOptions, "url" | "token" | "withCredentials">;

/** Which token to ask for. */
export interface TokenRequest extends CallOptions {
  readonly room: string;
  /** The name that others see. */
  readonly name?: string | undefined;
  readonly metadata?: string | undefined;
  /** Whom the token is for, where the service takes that from anybody: only in its demo. */
  readonly username?: string | undefined;
}

/** A LiveKit access token that the service has made. */
export interface MadeToken {
  readonly token: string;
  /** LiveKit's address, for `room.connect`. */
  readonly url: string;
  readonly identity: string;
  readonly role?: string;
  readonly expiresAt: string;
}
