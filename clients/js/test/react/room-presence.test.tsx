import { ConnectionQuality, ParticipantKind, Room, RoomEvent, setLogLevel, Track } from "livekit-client";
import { act, StrictMode } from "react";
import { expect, test, vi } from "vitest";

import { useRoomPresence, type LiveKitRoom, type RoomPresence } from "../../src/react/index.js";
import { asListed, LIVEKIT_EVENTS } from "../../src/react/livekit.js";
import type { Participant } from "../../src/types.js";
import { FakeCall, inCall } from "./call.js";
import { Provider, settle, show } from "./page.js";
import { FakeService, someone, track } from "./service.js";

let seen: RoomPresence[] = [];

function People({ room = "general", call }: { room?: string; call?: LiveKitRoom | null }) {
  seen.push(useRoomPresence(room, call));
  return null;
}

const people = () => seen.at(-1)!.participants;
const person = (identity: string) => people().find((person) => person.identity === identity)!;
const identities = () => people().map(({ identity }) => identity);

async function showPeople(listed: Participant[], call?: LiveKitRoom | null) {
  seen = [];
  const page = await show(
    <StrictMode>
      <Provider>
        <People {...(call !== undefined && { call })} />
      </Provider>
    </StrictMode>,
  );
  await settle();
  FakeService.welcome({ general: listed });
  await settle();
  return page;
}

test("without a call only the list counts", async () => {
  const tracks = [track("MICROPHONE"), track("CAMERA", true), track("SCREEN_SHARE")];
  await showPeople([someone("anouk", { tracks }), someone("ben")]);
  expect(people()).toMatchObject([
    {
      identity: "anouk",
      isLocal: false,
      isInCall: true,
      isSpeaking: false,
      connectionQuality: "unknown",
      isMicrophoneOn: true,
      isCameraOn: false,
      isScreenShareOn: true,
    },
    { identity: "ben", isMicrophoneOn: false, isCameraOn: false, isScreenShareOn: false },
  ]);
  expect(seen.at(-1)).toMatchObject({ status: "live", version: 1 });
});

test("a call that is not connected, or in another room, tells nothing", async () => {
  const call = new FakeCall("general");
  call.state = "connecting";
  await showPeople([someone("anouk", { tracks: [track("MICROPHONE")] })], call);
  expect(identities()).toEqual(["anouk"]);
  expect(person("anouk")).toMatchObject({ isMicrophoneOn: true, isInCall: true });
  call.change("connected", () => (call.state = "connected"));
  expect(identities()).toEqual(["anouk", "me"]);
  call.change("moved", () => (call.name = "support"));
  expect(identities()).toEqual(["anouk"]);
  expect(person("anouk").isInCall).toBe(true);
});

test("inside, what the call knows comes first", async () => {
  const call = new FakeCall("general");
  call.join(
    inCall("anouk", { isSpeaking: true, connectionQuality: "good", isCameraEnabled: true, isScreenShareEnabled: true }),
  );
  await showPeople([someone("anouk", { tracks: [track("MICROPHONE")] }), someone("me")], call);
  expect(person("anouk")).toMatchObject({
    name: "Anouk",
    isLocal: false,
    isInCall: true,
    isSpeaking: true,
    connectionQuality: "good",
    isMicrophoneOn: false,
    isCameraOn: true,
    isScreenShareOn: true,
  });
  expect(person("me")).toMatchObject({ isLocal: true, isInCall: true });
});

test("who is listed and not in the call stays", async () => {
  const call = new FakeCall("general");
  await showPeople([someone("anouk", { tracks: [track("MICROPHONE")] }), someone("me")], call);
  expect(person("anouk")).toMatchObject({ isInCall: false, isMicrophoneOn: true });
});

test("whom only the call knows is added at the end, in order of joining", async () => {
  const call = new FakeCall("general");
  await showPeople([someone("anouk")], call);
  call.join(inCall("late", { joinedAt: new Date(2_000) }));
  call.join(inCall("early", { joinedAt: new Date(1_000) }));
  expect(identities()).toEqual(["anouk", "early", "late", "me"]);
  expect(person("early")).toMatchObject({ isInCall: true, name: "", kind: "STANDARD", joinedAt: 1_000, tracks: [] });
  FakeService.list("general", [someone("anouk"), someone("me"), someone("late")], 2);
  await settle();
  expect(identities()).toEqual(["anouk", "me", "late", "early"]);
});

test("each event of the call is heard", async () => {
  const call = new FakeCall("general");
  const anouk = inCall("anouk");
  call.join(anouk);
  await showPeople([someone("anouk")], call);
  call.change("activeSpeakersChanged", () => (anouk.isSpeaking = true));
  expect(person("anouk").isSpeaking).toBe(true);
  call.change("connectionQualityChanged", () => (anouk.connectionQuality = "poor"));
  expect(person("anouk").connectionQuality).toBe("poor");
  for (const event of ["trackPublished", "trackMuted", "trackUnmuted", "trackUnpublished"] as const) {
    call.change(event, () => (anouk.isMicrophoneEnabled = !anouk.isMicrophoneEnabled));
    expect(person("anouk").isMicrophoneOn, event).toBe(anouk.isMicrophoneEnabled);
  }
  for (const event of ["localTrackPublished", "localTrackUnpublished"] as const) {
    call.change(event, () => (call.localParticipant.isCameraEnabled = !call.localParticipant.isCameraEnabled));
    expect(person("me").isCameraOn, event).toBe(call.localParticipant.isCameraEnabled);
  }
  const ben = inCall("ben");
  call.join(ben);
  for (const [event, key] of [
    ["participantNameChanged", "name"],
    ["participantMetadataChanged", "metadata"],
  ] as const) {
    call.change(event, () => (ben[key] = "another"));
    expect(person("ben")[key], event).toBe("another");
  }
  call.change("participantAttributesChanged", () => (ben.attributes = { hand: "up" }));
  expect(person("ben").attributes).toEqual({ hand: "up" });
  call.change("participantDisconnected", () => call.remoteParticipants.delete("ben"));
  call.change("participantDisconnected", () => call.remoteParticipants.delete("anouk"));
  expect(person("anouk").isInCall).toBe(false);
  call.change("disconnected", () => (call.state = "disconnected"));
  expect(identities()).toEqual(["anouk"]);
  call.change("connectionStateChanged", () => (call.state = "connected"));
  expect(identities()).toEqual(["anouk", "me"]);
});

test("when nothing changed all objects are the same, and nothing is rendered", async () => {
  const call = new FakeCall("general");
  const [anouk, ben] = [inCall("anouk"), inCall("ben")];
  call.join(anouk);
  call.join(ben);
  const page = await showPeople([someone("anouk")], call);
  const [result, renders, before] = [seen.at(-1), seen.length, person("ben")];
  call.change("activeSpeakersChanged", () => {});
  expect(seen.length).toBe(renders);
  await page.render(
    <StrictMode>
      <Provider>
        <People call={call} />
      </Provider>
    </StrictMode>,
  );
  expect(seen.length).toBeGreaterThan(renders);
  expect(seen.at(-1)).toBe(result);
  call.change("activeSpeakersChanged", () => (anouk.isSpeaking = true));
  expect(seen.at(-1)).not.toBe(result);
  expect(person("ben")).toBe(before);
});

test("nothing of the call is listened to after unmounting, or when there is another", async () => {
  const [call, next] = [new FakeCall("general"), new FakeCall("general")];
  const page = await showPeople([someone("anouk")], call);
  expect(call.heard).toBe(LIVEKIT_EVENTS.length);
  await page.render(
    <StrictMode>
      <Provider>
        <People call={next} />
      </Provider>
    </StrictMode>,
  );
  expect([call.heard, next.heard]).toEqual([0, LIVEKIT_EVENTS.length]);
  await page.unmount();
  expect(next.heard).toBe(0);
});

test("the real Room of livekit-client is joined with the list", async () => {
  setLogLevel("silent");
  const room = new Room();
  await room.simulateParticipants({
    publish: { audio: false, video: false },
    participants: { count: 3, audio: false, video: false },
  });
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- These are the values of that enum.
  const heard = () => LIVEKIT_EVENTS.map((event) => room.listenerCount(event as RoomEvent.Connected));
  const ownListeners = heard();
  seen = [];
  const page = await show(
    <Provider>
      <People room={room.name} call={room} />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ [room.name]: [someone("simulated-1")] });
  await settle();
  expect(identities()).toEqual(["simulated-1", "simulated-0", "simulated-local"]);
  expect(person("simulated-local")).toMatchObject({ isLocal: true, isInCall: true, name: "local-name" });
  const speaker = room.remoteParticipants.get("simulated-0")!;
  speaker.setIsSpeaking(true);
  act(() => void room.emit(RoomEvent.ActiveSpeakersChanged, [speaker]));
  expect(person("simulated-0").isSpeaking).toBe(true);
  await page.unmount();
  expect(heard()).toEqual(ownListeners);
  await settle(1_000);
  // The call's own.
  vi.clearAllTimers();
});

test("the events, kinds, qualities and sources are those of livekit-client", () => {
  // Compile-time, too: each of the names is one that the real Room tells.
  const names = LIVEKIT_EVENTS satisfies readonly `${RoomEvent}`[];
  expect(Object.values<string>(RoomEvent)).toEqual(expect.arrayContaining([...names]));
  const kinds = Object.values(ParticipantKind).filter((kind) => typeof kind === "number");
  for (const kind of kinds) expect(asListed(inCall("someone", { kind })).kind).toBe(ParticipantKind[kind]);
  expect(Object.values(ConnectionQuality)).toEqual(["excellent", "good", "poor", "lost", "unknown"]);
  const listedSources = Object.values(Track.Source).map((source) => {
    const microphone = { trackSid: "TR_1", trackName: "", source, kind: Track.Kind.Audio, isMuted: true };
    return asListed(inCall("someone", { trackPublications: new Map([["TR_1", microphone]]) })).tracks[0]!.source;
  });
  expect(listedSources.sort()).toEqual(["CAMERA", "MICROPHONE", "SCREEN_SHARE", "SCREEN_SHARE_AUDIO", "UNKNOWN"]);
});
