"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";

import type { Participant } from "../types.js";
import { asListed, callIn, listenTo, type Call, type LiveKitParticipant, type LiveKitRoom } from "./livekit.js";
import { useParticipants, type Participants } from "./participants.js";

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
}

/** One room, from `useRoomPresence`. */
export interface RoomPresence extends Omit<Participants, "participants"> {
  /**
   * First the listed participants, ordered by time of joining; then those that only livekit-client knows so far, in the same
   * order, with a `joinedAt` of 0 if it is unknown. A participant who did not change is the same object as before.
   */
  readonly participants: readonly Person[];
}

/**
 * The participants of a room, as `useParticipants` returns them, joined with what livekit-client knows if the page is in that
 * room: given its `Room`, who speaks and who has just muted shows at once. Without it, or while it is not connected, only the
 * list counts.
 */
export function useRoomPresence(room: string | null | undefined, livekitRoom?: LiveKitRoom | null): RoomPresence {
  const listed = useParticipants(room);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- A different room begins with nobody.
  const people = useMemo(() => new People(), [room, livekitRoom]);
  const participants = useSyncExternalStore(
    useCallback((listener: () => void) => listenTo(livekitRoom, listener), [livekitRoom]),
    () => people.from(listed.participants, callIn(livekitRoom, room)),
    () => people.from(listed.participants, null),
  );
  return useMemo(() => ({ ...listed, participants }), [listed, participants]);
}

/** Remembers who was shown, so that a participant who did not change stays the same object. */
class People {
  private shown: readonly Person[] = Object.freeze([]);
  private by = new Map<string, Person>();

  from(listed: readonly Participant[], call: Call | null): readonly Person[] {
    const identities = new Set(listed.map(({ identity }) => identity));
    const unlisted = [...(call?.people.values() ?? [])]
      .filter(({ identity }) => !identities.has(identity))
      .map(asListed);
    const all = [...listed, ...unlisted.sort(byJoining)];
    const now = all.map((participant) => this.kept(personFrom(participant, call)));
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

function personFrom(participant: Participant, call: Call | null): Person {
  const inCall = call?.people.get(participant.identity);
  return {
    ...participant,
    isLocal: inCall !== undefined && inCall === call?.local,
    isInCall: call === null || inCall !== undefined,
    isSpeaking: inCall?.isSpeaking ?? false,
    connectionQuality: inCall?.connectionQuality ?? "unknown",
    ...(inCall ? devicesIn(inCall) : devicesListed(participant)),
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
