// The part of livekit-client that this package uses, without depending on it. From version 2 on, its `Room` fits `LiveKitRoom`.

import type { Participant, Track } from "../types.js";

/** A published track, as livekit-client sees it. */
export interface LiveKitTrack {
  readonly trackSid: string;
  readonly trackName: string;
  readonly source: string;
  readonly kind: string;
  readonly isMuted: boolean;
}

/** A participant in the call, as livekit-client sees them. */
export interface LiveKitParticipant {
  readonly sid: string;
  readonly identity: string;
  readonly name?: string | undefined;
  readonly metadata?: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
  readonly kind: number;
  readonly joinedAt?: Date | undefined;
  readonly isSpeaking: boolean;
  readonly connectionQuality: string;
  readonly isMicrophoneEnabled: boolean;
  readonly isCameraEnabled: boolean;
  readonly isScreenShareEnabled: boolean;
  readonly trackPublications: ReadonlyMap<string, LiveKitTrack>;
}

/** livekit-client's `Room`. */
export interface LiveKitRoom {
  readonly name: string;
  readonly state: string;
  readonly localParticipant: LiveKitParticipant;
  readonly remoteParticipants: ReadonlyMap<string, LiveKitParticipant>;
  on(event: LiveKitEvent, listener: () => void): unknown;
  off(event: LiveKitEvent, listener: () => void): unknown;
}

/** The events after which what is shown may change. */
export type LiveKitEvent = (typeof LIVEKIT_EVENTS)[number];

export const LIVEKIT_EVENTS = [
  "connectionStateChanged",
  "connected",
  "reconnected",
  "moved",
  "disconnected",
  "participantConnected",
  "participantActive",
  "participantDisconnected",
  "participantNameChanged",
  "participantMetadataChanged",
  "participantAttributesChanged",
  "trackPublished",
  "trackUnpublished",
  "localTrackPublished",
  "localTrackUnpublished",
  "trackMuted",
  "trackUnmuted",
  "activeSpeakersChanged",
  "connectionQualityChanged",
] as const;

/** The kinds of participants by their numbers in LiveKit's protocol. */
const KINDS: Readonly<Record<number, string>> = {
  0: "STANDARD",
  1: "INGRESS",
  2: "EGRESS",
  3: "SIP",
  4: "AGENT",
  7: "CONNECTOR",
  8: "BRIDGE",
};

/** Calls `listener` after each event. Returns a function that ends this. */
export function listenTo(room: LiveKitRoom | null | undefined, listener: () => void): () => void {
  for (const event of LIVEKIT_EVENTS) room?.on(event, listener);
  return () => {
    for (const event of LIVEKIT_EVENTS) room?.off(event, listener);
  };
}

/** The call of the room with this name, or null if this page is not in it. */
export function callIn(room: LiveKitRoom | null | undefined, name: string | null | undefined): Call | null {
  if (!room || !name || (room.name !== "" && room.name !== name)) return null;
  // While the room reconnects, it still knows who is there.
  if (!["connected", "reconnecting", "signalReconnecting"].includes(room.state)) return null;
  const { localParticipant: local, remoteParticipants: remote } = room;
  return { local, people: new Map([[local.identity, local], ...remote]) };
}

/** The call that this page is in. */
export interface Call {
  readonly local: LiveKitParticipant;
  readonly people: ReadonlyMap<string, LiveKitParticipant>;
}

/** A participant as the service would list them. What livekit-client does not know is left empty. */
export function asListed(person: LiveKitParticipant): Participant {
  const tracks = [...person.trackPublications.values()].map(asTrack);
  return {
    sid: person.sid,
    identity: person.identity,
    name: person.name ?? "",
    metadata: person.metadata ?? "",
    attributes: person.attributes,
    kind: KINDS[person.kind] ?? String(person.kind),
    joinedAt: person.joinedAt?.getTime() ?? 0,
    isPublisher: tracks.length > 0,
    tracks,
  };
}

function asTrack({ trackSid, trackName, source, kind, isMuted }: LiveKitTrack): Track {
  return { sid: trackSid, source: source.toUpperCase(), type: kind.toUpperCase(), muted: isMuted, name: trackName };
}
