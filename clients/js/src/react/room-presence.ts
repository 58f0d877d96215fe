"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";

import type { Participant } from "../types.js";
import { asListed, callIn, listenTo, type Call, type LiveKitParticipant, type LiveKitRoom } from "./livekit.js";
import { useParticipants, type Participants } from "./participants.js";

/** Somebody in a room, with what the call tells of them if this page is in it. */
export interface Person extends Participant {
  /** Whether that is this page itself. False outside the call. */
  readonly isLocal: boolean;
  /**
   * Whether they are in the call, as far as this page can tell: inside it, whether livekit-client sees them; outside, true for
   * all, since they are listed.
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
   * Who is listed, in order of joining; then those whom only livekit-client knows yet, likewise, and with 0 as `joinedAt` if it
   * does not know it. Those who did not change are the same objects as before.
   */
  readonly participants: readonly Person[];
}

/**
 * Who is in a room, as `useParticipants` knows it, and livekit-client if the page is in that room: with its `Room`, who speaks
 * and who has just muted is there at once. Without it, or while it is not connected, it is what the list says.
 */
export function useRoomPresence(room: string | null | undefined, livekitRoom?: LiveKitRoom | null): RoomPresence {
  const listed = useParticipants(room);
  // Another room begins with nobody. What is kept are only objects that are equal to what is shown.
  // eslint-disable-next-line react-hooks/exhaustive-deps -- It does not read them: with another room, another one is made.
  const people = useMemo(() => new People(), [room, livekitRoom]);
  const participants = useSyncExternalStore(
    useCallback((listener: () => void) => listenTo(livekitRoom, listener), [livekitRoom]),
    () => people.from(listed.participants, callIn(livekitRoom, room)),
    () => people.from(listed.participants, null),
  );
  return useMemo(() => ({ ...listed, participants }), [listed, participants]);
}

/** Remembers who was shown, so that who did not change is the same object. */
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

/** Those of whom it is not known come last. */
function byJoining(a: Participant, b: Participant): number {
  return (a.joinedAt || Infinity) - (b.joinedAt || Infinity) || (a.identity < b.identity ? -1 : 1);
}
