// The calls of a moderator.

import type { Participant } from "../types.js";
import { pathOf, send, type Call, type Caller } from "./request.js";
import type {
  Ban,
  BanOptions,
  Moderator,
  MuteAllOptions,
  Roster,
  RosterCalls,
  RosterChange,
  RosterCondition,
  RosterEntry,
  RosterLine,
  RosterTotals,
  Update,
  Updated,
} from "./types.js";

/** Entries in one answer, at most what the service gives. */
const PAGE_LIMIT = 1_000;

/** Moderates a room, by these credentials. */
export function moderatorOf(caller: Caller, room: string): Moderator {
  /** A call about this room. */
  function call<Answer>(method: Call["method"], names: readonly string[], body?: object, more?: More): Promise<Answer> {
    // In a promise, so that a name that cannot be asked for rejects as every other refusal does.
    return Promise.resolve().then(() => {
      const path = `rooms/${pathOf(room, ...names)}${more?.query ?? ""}`;
      return send<Answer>(caller, { method, path, body, headers: more?.headers });
    });
  }

  const roster = rosterOf(call);
  return {
    room,
    roster,
    async update(identity, { name, metadata, attributes, permission, ...change }: Update) {
      const updated: { -readonly [Key in keyof Updated]: Updated[Key] } = {};
      if (isAsked(change)) updated.entry = await roster.patch(identity, change);
      const body = { name, metadata, attributes, permission };
      if (isAsked(body)) {
        updated.participant = await call<Participant>("PATCH", ["participants", identity], body);
      }
      return updated;
    },
    remove: (identity, { revoke } = {}) =>
      call("DELETE", ["participants", identity], undefined, { query: revoke ? "?revoke=true" : "" }),
    mute: (identity, trackSid, muted = true) =>
      call("PATCH", ["participants", identity, "tracks", trackSid], { muted }),
    muteAll: ({ except = [], sources = ["microphone"] }: MuteAllOptions = {}) =>
      call("POST", ["mute-all"], { except, sources }),
    ban: (identity, { until, reason }: BanOptions = {}) => {
      const body = { ...(until && { until: until instanceof Date ? until.toISOString() : until }), reason };
      return call("PUT", ["bans", identity], body);
    },
    unban: (identity) => call("DELETE", ["bans", identity]),
    bans: async () => (await call<{ readonly bans: readonly Ban[] }>("GET", ["bans"])).bans,
    end: () => call("DELETE", []),
  };
}

interface More {
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

type RoomCall = <Answer>(
  method: Call["method"],
  names: readonly string[],
  body?: object,
  more?: More,
) => Promise<Answer>;

function rosterOf(call: RoomCall): RosterCalls {
  const write =
    (method: "PUT" | "PATCH") =>
    (who: string | readonly RosterLine[], change: RosterChange = {}, condition: RosterCondition = {}) =>
      typeof who === "string"
        ? call<never>(method, ["roster", who], change, { headers: headersOf(condition) })
        : call<never>(method, ["roster"], { entries: who });
  return {
    get: ((identity?: string) =>
      identity === undefined ? wholeRoster(call) : call("GET", ["roster", identity])) as RosterCalls["get"],
    put: write("PUT"),
    patch: write("PATCH"),
    delete: (identity, condition = {}) =>
      call("DELETE", ["roster", identity], undefined, { headers: headersOf(condition) }),
    clear: () => call<RosterTotals>("DELETE", ["roster"]),
  };
}

function headersOf({ ifVersion }: RosterCondition): Readonly<Record<string, string>> {
  if (ifVersion === undefined) return {};
  return ifVersion === null ? { "If-None-Match": "*" } : { "If-Match": `"${ifVersion}"` };
}

/** A page of the roster. `next` is what the next page begins after. */
type Page = Roster & { readonly next?: string | null };

/** All pages of the roster. The totals are those of the last one. */
export async function wholeRoster(call: RoomCall): Promise<Roster> {
  const entries: RosterEntry[] = [];
  for (let after: string | null | undefined; ;) {
    const query = new URLSearchParams();
    query.append("limit", String(PAGE_LIMIT));
    if (after) query.append("after", after);
    const {
      next,
      onlineCount,
      totalCount,
      entries: more,
    } = await call<Page>("GET", ["roster"], undefined, {
      query: `?${query}`,
    });
    entries.push(...more);
    if (!next) return { entries, onlineCount, totalCount };
    after = next;
  }
}

/** Whether a body says anything. */
const isAsked = (body: object): boolean => Object.values(body).some((value) => value !== undefined);
