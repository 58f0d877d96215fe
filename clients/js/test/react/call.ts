// livekit-client's view of a call, in which the test is the server.

import { EventEmitter } from "node:events";
import { act } from "react";

import type { LiveKitEvent, LiveKitParticipant, LiveKitRoom, LiveKitTrack } from "../../src/react/index.js";

type Changeable<Of> = { -readonly [Key in keyof Of]: Of[Key] };

export class FakeCall extends EventEmitter implements LiveKitRoom {
  state = "connected";
  remoteParticipants = new Map<string, Changeable<LiveKitParticipant>>();
  localParticipant = inCall("me");

  constructor(public name: string) {
    super();
    this.setMaxListeners(100);
  }

  /** Changes something, and tells of it. */
  change(event: LiveKitEvent, change: () => void): void {
    change();
    act(() => void this.emit(event));
  }

  join(person: Changeable<LiveKitParticipant>): void {
    this.change("participantConnected", () => this.remoteParticipants.set(person.identity, person));
  }

  /** How many are listening, to anything. */
  get heard(): number {
    return this.eventNames().reduce((sum, event) => sum + this.listenerCount(event), 0);
  }
}

export function inCall(identity: string, more: Partial<LiveKitParticipant> = {}): Changeable<LiveKitParticipant> {
  return {
    sid: `PA_${identity}`,
    identity,
    name: undefined,
    metadata: undefined,
    attributes: {},
    kind: 0,
    joinedAt: undefined,
    isSpeaking: false,
    connectionQuality: "unknown",
    isMicrophoneEnabled: false,
    isCameraEnabled: false,
    isScreenShareEnabled: false,
    trackPublications: new Map<string, LiveKitTrack>(),
    ...more,
  };
}
