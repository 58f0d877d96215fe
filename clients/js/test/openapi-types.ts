// The types of the package against those that `npm run check` generates from /openapi.json: a change of one without the other does
// not compile. Nothing runs here.

import type { Attendee, Span } from "../src/attendance/types.js";
import type { Delta } from "../src/lists.js";
import type {
  Ban,
  MadeToken,
  MuteAllOptions,
  MutedAll,
  MutedTrack,
  PermissionChange,
  Roster,
  RosterChange,
  RosterEntry,
  RosterTotals,
  TrackSource,
} from "../src/moderate/types.js";
import type {
  Counts,
  DataTrack,
  Participant,
  Permission,
  PresenceEvent,
  RoomInfo,
  RoomListing,
  Track,
} from "../src/types.js";
import type { components } from "./generated/openapi.js";

type Schemas = components["schemas"];

/** `true` if each is as good as the other, and has the same fields. Otherwise the two. */
type Same<A, B> = [A, keyof A] extends [B, keyof B] ? ([B, keyof B] extends [A, keyof A] ? true : [A, B]) : [A, B];
/** `true` if what the service has does for the package, which does not read all of it. */
type Does<Described, Read> = [Described] extends [Read] ? true : [Described, Read];
/** What is sent: fields that are `undefined` are left out. */
type Sent<T> = { [Field in keyof T]: Exclude<T[Field], undefined> };
type Event = Schemas["PresenceEvent"];
/** The fields of an event's data that the package names. */
type Named = "participant" | "track" | "roomEndReason";

type Checks = [
  Same<Schemas["Track"], Track>,
  Same<Schemas["DataTrack"], DataTrack>,
  Same<Schemas["Permission"], Permission>,
  Same<Schemas["Participant"], Participant>,
  Same<Omit<Schemas["Counts"], "version">, Counts>,
  Same<Schemas["RoomListing"], RoomListing>,
  Same<Schemas["RoomInfo"], RoomInfo>,
  Does<Schemas["RoomDelta"], Delta>,
  Same<Omit<Event, "data">, Omit<PresenceEvent, "data">>,
  Same<Pick<Event["data"], Named>, Pick<PresenceEvent["data"], Named>>,
  Does<Event, PresenceEvent>,
  Same<Schemas["Span"], Span>,
  Does<Schemas["Attendee"], Attendee>,
  Same<Schemas["RosterEntry"], RosterEntry>,
  Same<Schemas["RosterTotals"], RosterTotals>,
  Does<Schemas["Roster"], Roster>,
  Same<Schemas["Ban"], Ban>,
  Does<Schemas["SetBan"], Ban>,
  Same<Schemas["MadeToken"], MadeToken>,
  Same<Schemas["Track"], MutedTrack>,
  Same<Schemas["MutedAll"], MutedAll>,
  Same<Schemas["TrackSource"], TrackSource>,
  Does<Sent<PermissionChange>, Schemas["PermissionChange"]>,
  Does<Sent<RosterChange>, Schemas["RosterChange"]>,
  Does<Sent<MuteAllOptions>, Schemas["MuteAllRequest"]>,
];

/** The numbers of the checks that do not hold. */
type Broken = { [Index in keyof Checks]: Checks[Index] extends true ? never : Checks[Index] }[number];

/** What does not compile here names the two types that differ. */
export const broken: [Broken] extends [never] ? "none" : Broken = "none";
