// A moderator whose changes are shown before the service has answered, and taken back if it refuses.

import type { Moderator, RosterChange, RosterCondition, RosterEntry, TrackSource, Update } from "../moderate/types.js";
import type { Participant, Permission } from "../types.js";
import type { Change } from "./pending.js";
import type { RoomChanges } from "./room-changes.js";

/** `people` is the list as the service shows it now. */
export function optimistic(
  moderator: Moderator,
  changes: RoomChanges,
  people: () => readonly Participant[],
): Moderator {
  const { roster } = moderator;

  /** Makes a call in its turn, and settles the changes that are laid over, or takes them off again. */
  async function carryOut<Answer>(
    identity: string | null,
    laid: readonly Settled[],
    call: () => Promise<Answer>,
    settle: (answer: Answer) => void = () => laid.forEach((one) => one.settle()),
  ): Promise<Answer> {
    try {
      const answer = await changes.inTurn(identity, call);
      settle(answer);
      return answer;
    } catch (error) {
      for (const one of laid) one.drop();
      throw error;
    }
  }

  /** Writes an entry, and counts on what the service answers of it. */
  function write(identity: string, apply: Apply<RosterEntry>, call: () => Promise<RosterEntry>): Promise<RosterEntry> {
    const laid = layOnRoster(identity, apply);
    return carryOut(identity, [laid], call, (entry) => laid.settle(asEntry(entry)));
  }

  const layOnRoster = (identity: string, apply: Apply<RosterEntry>) => changes.roster.add({ identity, apply });
  const layOnPerson = (identity: string, apply: Apply<Participant>) => changes.people.add({ identity, apply });

  /** Somebody goes from the room: from the list, and as it is told on the roster. */
  async function takeOut<Answer>(identity: string, call: () => Promise<Answer>): Promise<Answer> {
    const session = people().find((person) => person.identity === identity);
    // Whoever comes back at once has another session, and is shown.
    let joinedAt: string | null | undefined;
    const hasLeft: Apply<RosterEntry> = (entry) => {
      if (entry?.status !== "JOINED") return entry;
      joinedAt ??= entry.joinedAt;
      return entry.joinedAt === joinedAt ? { ...entry, status: "LEFT" } : entry;
    };
    const goes = layOnRoster(identity, hasLeft);
    const isGone: Apply<Participant> = (person) => (person?.sid === session?.sid ? undefined : person);
    return carryOut(identity, session ? [goes, layOnPerson(identity, isGone)] : [goes], async () => {
      const answer = await call();
      if (session) changes.removed.add(session.sid);
      return answer;
    });
  }

  const patch = (identity: string, change: RosterChange, ...more: [condition?: RosterCondition]) =>
    write(
      identity,
      (entry) => entry && { ...entry, ...said(change) },
      () => roster.patch(identity, change, ...more),
    );

  return {
    ...moderator,
    async update(identity, { name, metadata, attributes, permission, ...change }: Update) {
      const ofPerson = { name, metadata, attributes, permission };
      const isOfRoster = Object.values(change).some((value) => value !== undefined);
      const isOfPerson = Object.values(ofPerson).some((value) => value !== undefined);
      const laid = isOfPerson ? [layOnPerson(identity, (person) => person && updated(person, ofPerson))] : [];
      try {
        const entry = isOfRoster ? { entry: await patch(identity, change) } : {};
        const person = isOfPerson ? await carryOut(identity, laid, () => moderator.update(identity, ofPerson)) : {};
        return { ...entry, ...person };
      } catch (error) {
        // Where the roster was refused, the rest was not tried.
        for (const one of laid) one.drop();
        throw error;
      }
    },
    remove: (identity, options) => takeOut(identity, () => moderator.remove(identity, options)),
    ban: (identity, options) => takeOut(identity, () => moderator.ban(identity, options)),
    unban: (identity) => carryOut(identity, [], () => moderator.unban(identity)),
    mute: (identity, sid, muted = true) =>
      carryOut(identity, [layOnPerson(identity, withMuted(sid, muted))], () => moderator.mute(identity, sid, muted)),
    async muteAll({ except = [], sources = MICROPHONES } = {}) {
      const isMeant = isOf(sources);
      const laid = people()
        .filter(({ identity }) => !except.includes(identity))
        .flatMap(({ identity, tracks }) =>
          tracks
            .filter((track) => isMeant(track) && !track.muted)
            .map(({ sid }) => ({ sid, one: layOnPerson(identity, withMuted(sid, true)) })),
        );
      try {
        const answer = await changes.inTurn(null, () => moderator.muteAll({ except, sources }));
        const muted = new Set(answer.muted.map(({ sid }) => sid));
        for (const { sid, one } of laid) if (muted.has(sid)) one.settle();
        return answer;
      } finally {
        // Those that failed, or all of them. What is settled stays.
        for (const { one } of laid) one.drop();
      }
    },
    roster: {
      ...roster,
      put: ((who: string, change: RosterChange = {}, ...more: [condition?: RosterCondition]) =>
        typeof who === "string"
          ? write(who, invited(who, change), () => roster.put(who, change, ...more))
          : changes.inTurn(null, () => roster.put(who))) as Moderator["roster"]["put"],
      patch: ((who: string, change: RosterChange, ...more: [condition?: RosterCondition]) =>
        typeof who === "string"
          ? patch(who, change, ...more)
          : changes.inTurn(null, () => roster.patch(who))) as Moderator["roster"]["patch"],
      delete: (identity, ...more) =>
        carryOut(identity, [layOnRoster(identity, withdrawn)], () => roster.delete(identity, ...more)),
      clear: () => changes.inTurn(null, () => roster.clear()),
    },
    end: () => changes.inTurn(null, () => moderator.end()),
  };
}

const MICROPHONES: readonly TrackSource[] = ["microphone"];

/** A change that is laid over, whatever it is laid over. */
interface Settled {
  settle(): void;
  drop(): void;
}

type Apply<Item> = Change<Item>["apply"];

/** The fields that a change names. What the role says, only the service knows. */
function said(change: RosterChange): Partial<RosterEntry> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined && value !== null));
}

/** What the service answered about an entry: its fields count until a newer entry is shown. Who is inside, the stream tells. */
function asEntry(answer: RosterEntry): Apply<RosterEntry> {
  const { role, canSpeak, canVideo, invited, invitedAt, note, version } = answer;
  const written = { role, canSpeak, canVideo, invited, invitedAt, version, ...(note !== undefined && { note }) };
  return (entry) => (entry && isAtLeast(entry.version, version) ? entry : { ...(entry ?? answer), ...written });
}

/** Whether a version is known to be not older than another one: they are numbers, or the same. */
function isAtLeast(version: string, other: string): boolean {
  if (version === other) return true;
  if (!/^\d+$/.test(version) || !/^\d+$/.test(other)) return false;
  // They may be longer than a number is exact.
  return version.length === other.length ? version > other : version.length > other.length;
}

function invited(identity: string, change: RosterChange): Apply<RosterEntry> {
  const blank: RosterEntry = {
    identity,
    role: "",
    canSpeak: false,
    canVideo: false,
    invited: true,
    invitedAt: null,
    status: "INVITED",
    joinedAt: null,
    leftAt: null,
    version: "",
  };
  return (entry) => ({ ...(entry ?? blank), invited: true, ...said(change) });
}

/** Who is inside stays on the roster, as somebody who came uninvited. */
const withdrawn: Apply<RosterEntry> = (entry) =>
  entry?.status === "JOINED" ? { ...entry, invited: false } : undefined;

const withMuted =
  (sid: string, muted: boolean): Apply<Participant> =>
  (person) =>
    person && {
      ...person,
      tracks: person.tracks.map((track) => (track.sid === sid ? { ...track, muted } : track)),
    };

/** The list has LiveKit's names of the sources. */
const isOf =
  (sources: readonly TrackSource[]) =>
  ({ source }: { readonly source: string }) =>
    sources.some((name) => name.toUpperCase() === source);

function updated(person: Participant, { name, metadata, attributes, permission }: Omit<Update, "role">): Participant {
  const now = { ...person, name: name ?? person.name, metadata: metadata ?? person.metadata };
  if (attributes) now.attributes = attributesWith(person.attributes, attributes);
  return permission ? withPermission(now, permission) : now;
}

function attributesWith(
  before: Participant["attributes"],
  change: NonNullable<Update["attributes"]>,
): Participant["attributes"] {
  return Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value)) as Record<
    string,
    string
  >;
}

/** The list leaves out what may do everything. */
function withPermission(
  person: Participant,
  { canPublish, canSubscribe, canPublishData }: NonNullable<Update["permission"]>,
): Participant {
  const { permission, ...rest } = person;
  const now: Permission = {
    ...permission,
    canPublish: canPublish ?? permission?.canPublish ?? true,
    canSubscribe: canSubscribe ?? permission?.canSubscribe ?? true,
    canPublishData: canPublishData ?? permission?.canPublishData ?? true,
  };
  const isAll = now.canPublish && now.canSubscribe && now.canPublishData && !now.agent;
  return isAll ? rest : { ...person, permission: now };
}
