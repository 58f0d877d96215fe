"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";

import type { RosterEntry } from "../moderate/types.js";
import type { Participant } from "../types.js";
import { asListed, callIn, listenTo, type Call, type LiveKitParticipant, type LiveKitRoom } from "./livekit.js";
import { useParticipants, type Participants } from "./participants.js";
import { usePresence } from "./provider.js";
import { changesOf, type RoomChanges } from "./room-changes.js";
import { useRoster } from "./roster.js";

/** A participant, with what livekit-client knows of them if this page is in the call. */
export interface Person extends Participant {
  /** Whether this is the page's own participant. False outside the call. */
  readonly isLocal: boolean;
  /**
   * Whether they are in the call, as far as this page can tell. Inside the call: whether livekit-client sees them. Outside:
   * always true, because they are listed.
   */
  readonly isInCall: boolean;
  /** False outside the call. */
  readonly isSpeaking: boolean;
  /** `excellent`, `good`, `poor`, `lost` or `unknown`; `unknown` outside the call. */
  readonly connectionQuality: string;
  readonly isMicrophoneOn: boolean;
  readonly isCameraOn: boolean;
  readonly isScreenShareOn: boolean;
  /** Their entry of the roster, if that is asked for and has one. */
  readonly roster?: RosterEntry;
}

/** What `useRoomPresence` joins. */
export interface RoomPresenceOptions {
  /** Whether to join the roster too, which has a connection of its own. False by default. */
  readonly roster?: boolean | undefined;
}

/** One room, from `useRoomPresence`. */
export interface RoomPresence extends Omit<Participants, "participants"> {
  /**
   * First the listed participants, ordered by time of joining; then those that only livekit-client knows so far, in the same
   * order, with a `joinedAt` of 0 if it is unknown. A participant who did not change is the same object as before.
   */
  readonly participants: readonly Person[];
  /** Those on the roster who are not inside, ordered by identity. Empty without the roster. */
  readonly absent: readonly RosterEntry[];
  /** People who are inside, as the roster counts. Null without the roster, and before it is there. */
  readonly onlineCount: number | null;
  /** People on the roster. Null without the roster, and before it is there. */
  readonly totalCount: number | null;
}

/**
 * The participants of a room, as `useParticipants` returns them, joined with what livekit-client knows if the page is in that
 * room: given its `Room`, who speaks and who has just muted shows at once. Without it, or while it is not connected, only the
 * list counts. With `roster: true` each has their entry of the roster, and `absent` has those who are not inside. What
 * `useModeration` has changed shows at once.
 */
export function useRoomPresence(
  room: string | null | undefined,
  livekitRoom?: LiveKitRoom | null,
  options: RoomPresenceOptions = {},
): RoomPresence {
  const listed = useParticipants(room);
  const { entries, onlineCount, totalCount } = useRoster(options.roster ? room : null);
  const changes = changesOf(usePresence("useRoomPresence"), room);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- A different room begins with nobody.
  const people = useMemo(() => new People(), [room, livekitRoom]);
  const participants = useSyncExternalStore(
    useCallback(
      (listener: () => void) => join(listenTo(livekitRoom, listener), changes.subscribe(listener)),
      [livekitRoom, changes],
    ),
    () => people.from(listed.participants, entries, callIn(livekitRoom, room), changes),
    () => people.from(listed.participants, entries, null, null),
  );
  return useMemo(() => {
    const inside = new Set(participants.map(({ identity }) => identity));
    // Who has just come or gone may be on the roster before they are in the list, or after.
    const absent = entries.filter(({ identity, status }) => status !== "JOINED" && !inside.has(identity));
    return { ...listed, participants, absent, onlineCount, totalCount };
  }, [listed, participants, entries, onlineCount, totalCount]);
}

const join =
  (...ends: (() => void)[]) =>
  () =>
    ends.forEach((end) => end());

/** Remembers who was shown, so that a participant who did not change stays the same object. */
class People {
  private shown: readonly Person[] = Object.freeze([]);
  private by = new Map<string, Person>();

  from(
    listed: readonly Participant[],
    entries: readonly RosterEntry[],
    call: Call | null,
    changes: RoomChanges | null,
  ): readonly Person[] {
    const changed = changes?.people.over(listed) ?? listed;
    const said = new Map(listed.map((person) => [person.identity, person]));
    const unlisted = [...(call?.people.values() ?? [])]
      .filter(({ identity, sid }) => !said.has(identity) && !changes?.removed.has(sid))
      .map(asListed);
    const all = [...changed, ...unlisted.sort(byJoining)];
    const roster = new Map(entries.map((entry) => [entry.identity, entry]));
    const now = all.map((person) => {
      const { identity } = person;
      // What this page has just muted, livekit-client hears of a moment later.
      const isChanged = said.has(identity) && said.get(identity) !== person;
      return this.kept(personFrom(person, call, roster.get(identity), isChanged));
    });
    const isSame = now.length === this.shown.length && now.every((person, index) => person === this.shown[index]);
    if (isSame) return this.shown;
    this.by = new Map(now.map((person) => [person.identity, person]));
    return (this.shown = Object.freeze(now));
  }

  private kept(now: Person): Person {
    const before = this.by.get(now.identity);
    return before && JSON.stringify(before) === JSON.stringify(now) ? before : now;
  }
}

function personFrom(
  participant: Participant,
  call: Call | null,
  roster: RosterEntry | undefined,
  isChanged: boolean,
): Person {
  const inCall = call?.people.get(participant.identity);
  return {
    ...participant,
    isLocal: inCall !== undefined && inCall === call?.local,
    isInCall: call === null || inCall !== undefined,
    isSpeaking: inCall?.isSpeaking ?? false,
    connectionQuality: inCall?.connectionQuality ?? "unknown",
    ...(inCall && !isChanged ? devicesIn(inCall) : devicesListed(participant)),
    ...(roster && { roster }),
  };
}

function devicesIn({ isMicrophoneEnabled, isCameraEnabled, isScreenShareEnabled }: LiveKitParticipant) {
  return { isMicrophoneOn: isMicrophoneEnabled, isCameraOn: isCameraEnabled, isScreenShareOn: isScreenShareEnabled };
}

function devicesListed({ tracks }: Participant) {
  const isOn = (source: string) => tracks.some((track) => track.source === source && !track.muted);
  return { isMicrophoneOn: isOn("MICROPHONE"), isCameraOn: isOn("CAMERA"), isScreenShareOn: isOn("SCREEN_SHARE") };
}

/** Participants whose time of joining is unknown come last. */
function byJoining(a: Participant, b: Participant): number {
  return (a.joinedAt || Infinity) - (b.joinedAt || Infinity) || (a.identity < b.identity ? -1 : 1);
}
