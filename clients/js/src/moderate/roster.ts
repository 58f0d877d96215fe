// `watchRoster`.

import { connect, type Feed } from "../connection.js";
import { Effect, type Topic } from "../connection/topic.js";
import { tell } from "../events.js";
import { isAlike } from "../shown.js";
import type { Refusal } from "../service.js";
import type { PresenceError } from "../types.js";
import { socketOf, watch, type Make } from "../watch.js";
import { moderatorOf } from "./moderator.js";
import { ModerationError } from "./request.js";
import type { Roster, RosterEntry, RosterOptions, RosterSnapshot, RosterTotals, RosterWatch } from "./types.js";

/** `roster:update`, first: the whole roster. */
interface WholeRoster extends Roster {
  readonly room: string;
  readonly version: number | string;
}

/** `roster:update`, later: what changed since `prev`. */
interface RosterDelta extends RosterTotals {
  readonly room: string;
  readonly prev: number | string;
  readonly version: number | string;
  readonly changed: readonly RosterEntry[];
  /** Identities. */
  readonly removed: readonly string[];
}

const NOTHING: Omit<RosterSnapshot, "status" | "error" | "lastEventAt"> = {
  entries: [],
  onlineCount: null,
  totalCount: null,
};

/**
 * Keeps the roster of a room up to date. Where the service has none, the status is `error`, with 404, until `reconnect()`.
 */
export function watchRoster(options: RosterOptions): RosterWatch {
  const { room, onUpdate } = options;
  let shown = NOTHING;
  /** Of the roster on this stream. Means nothing on another. */
  let version: number | string;
  /** Why there is no roster here. To ask again and again would not change it. */
  let missing: PresenceError | null = null;

  /** An entry that did not change stays the same object, and so does a list in which none did. */
  function show({ onlineCount, totalCount }: RosterTotals, list: readonly RosterEntry[]): Effect {
    const before = new Map(shown.entries.map((entry) => [entry.identity, entry]));
    const now = list.map((entry) => (isAlike(before.get(entry.identity), entry) ? before.get(entry.identity)! : entry));
    const isSame = now.length === shown.entries.length && now.every((entry, index) => entry === shown.entries[index]);
    if (isSame && onlineCount === shown.onlineCount && totalCount === shown.totalCount) return Effect.SAME;
    shown = { entries: isSame ? shown.entries : Object.freeze(now), onlineCount, totalCount };
    return Effect.CHANGED;
  }

  function take(sent: WholeRoster | RosterDelta, isFirst: boolean): Effect {
    // A stream of several rooms would name others.
    if (sent.room !== room) return Effect.SAME;
    if (!("prev" in sent)) {
      ({ version } = sent);
      return show(sent, sent.entries);
    }
    if (isFirst || sent.prev !== version) return Effect.GAP;
    ({ version } = sent);
    const others = new Set([...sent.removed, ...sent.changed.map(({ identity }) => identity)]);
    const entries = shown.entries.filter(({ identity }) => !others.has(identity)).concat(sent.changed);
    return show(sent, entries.sort(byIdentity));
  }

  const make: Make<Feed> = (url, credentials, listener) => {
    const topic: Topic = {
      path(query) {
        query.append("room", room);
        query.append("roster", "true");
        return "livekit/rooms/stream";
      },
      on: { "roster:update": (sent: WholeRoster | RosterDelta, _id, isFirst) => take(sent, isFirst) },
      hasSome: () => shown !== NOTHING,
      hasAll: () => shown !== NOTHING,
      async ask(token, _hasFailed, takeAnswer) {
        // The token of this attempt; a refusal of it is the connection's to handle.
        const once = { ...credentials, get: () => Promise.resolve(token), forget: () => false };
        const roster = await moderatorOf({ url, credentials: once }, room).roster.get().catch(refuse);
        takeAnswer(() => show(roster, roster.entries));
        return true;
      },
    };
    const feed = connect(
      url,
      credentials,
      {
        onChange() {
          const { status, error } = feed.link();
          if (error?.status === 404) {
            missing = error;
            // Once the connection is done with its failure.
            void Promise.resolve().then(() => feed.suspend());
          } else if (status !== "disconnected") missing = null;
          listener.onChange();
        },
      },
      topic,
      socketOf(options),
    );
    return feed;
  };
  const watched = watch(options, make, (feed): RosterSnapshot => {
    const link = feed.link();
    const isMissing = missing && link.status === "disconnected";
    return { ...shown, ...link, ...(isMissing && { status: "error", error: missing }) };
  });
  if (onUpdate) watched.subscribe(() => tell(onUpdate, watched.snapshot()));
  return watched;
}

/** The connection handles refusals, and not what is thrown to a page. */
function refuse(error: unknown): never {
  const { status, detail: message, retryAfter } = error as ModerationError;
  const refusal: Refusal = { status, message, ...(retryAfter && { retryAfter }) };
  throw refusal;
}

/** The service's order. */
function byIdentity({ identity: a }: RosterEntry, { identity: b }: RosterEntry): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
