import { act, StrictMode } from "react";
import { expect, test, vi } from "vitest";

import {
  ModerationError,
  useModeration,
  useRoomPresence,
  useRoster,
  type LiveKitRoom,
  type Moderation,
  type ModerationOptions,
  type Person,
  type RoomPresence,
  type ShownRoster,
} from "../../src/react/index.js";
import type { Participant } from "../../src/types.js";
import { FakeCall, inCall } from "./call.js";
import { errorOf, Provider, settle, show } from "./page.js";
import { FakeService, inside, invited, someone, track, type Call } from "./service.js";

interface Props {
  readonly room?: string | null;
  readonly options?: ModerationOptions;
  readonly call?: LiveKitRoom;
}

let moderation: Moderation;
let presence: RoomPresence;
let roster: ShownRoster;
/** What was rendered of the list and of the roster, one after the other. */
let drawn: string[] = [];

function Stage({ room = "stage", options }: Props) {
  moderation = useModeration(room, options);
  return null;
}

/** Another component than the one that moderates. */
function Shown({ room = "stage", call }: Props) {
  presence = useRoomPresence(room, call, { roster: true });
  roster = useRoster(room);
  const people = presence.participants.map((person) => `${person.identity}${person.isMicrophoneOn ? "+" : ""}`);
  const entries = roster.entries.map(({ identity, role, status }) => `${identity} ${role} ${status}`);
  const now = `${people.join(" ")} | ${entries.join(", ")}`;
  if (drawn.at(-1) !== now) drawn.push(now);
  return null;
}

const claims = (video: object) => `h.${btoa(JSON.stringify({ video }))}.s`;
const MODERATOR = claims({ roomAdmin: true, room: "stage" });

const alice = someone("alice", { tracks: [track("MICROPHONE")] });
const bob = someone("bob", { tracks: [{ ...track("MICROPHONE"), sid: "TR_bob" }] });
const entries = [inside("alice"), inside("bob", { role: "speaker" }), invited("carol")];

async function stage(props: Props = {}, people: Participant[] = [alice, bob]) {
  drawn = [];
  const page = await show(
    <StrictMode>
      <Provider token={MODERATOR}>
        <Stage {...props} />
        <Shown {...props} />
      </Provider>
    </StrictMode>,
  );
  await settle();
  FakeService.welcome({ stage: people }, 1, FakeService.streamOf("livekit/participants/stream"));
  FakeService.roster("stage", entries);
  await settle();
  drawn = [];
  return page;
}

/** The service answers when the test says so. */
function held(): (status: number, body?: unknown) => Promise<void> {
  let answer: (answer: { status: number; body: unknown }) => void = () => {};
  const promise = new Promise<{ status: number; body: unknown }>((resolve) => (answer = resolve));
  FakeService.carryOut = () => promise;
  return async (status, body = {}) => {
    answer({ status, body });
    await settle();
  };
}

const list = (people: Participant[], version: number) =>
  FakeService.list("stage", people, version, FakeService.streamOf("livekit/participants/stream"));
const pushRoster = (changed: unknown[], version: number, removed: string[] = []) =>
  FakeService.streamOf("livekit/rooms/stream").send("roster:update", {
    ...{ room: "stage", prev: version - 1, version, onlineCount: 2, totalCount: 3 },
    changed,
    removed,
  });
const muted = (person: Participant): Participant => ({
  ...person,
  tracks: person.tracks.map((one) => ({ ...one, muted: true })),
});
const person = (identity: string): Person => presence.participants.find((one) => one.identity === identity)!;
const entry = (identity: string) => roster.entries.find((one) => one.identity === identity);

/** Makes a call, and does not handle its promise, as a button does. */
async function press(call: () => Promise<unknown>): Promise<void> {
  await act(async () => void call());
}

const PEOPLE = "alice viewer JOINED, bob speaker JOINED, carol viewer INVITED";

test("a mute shows at once, and without a flicker until the list has it", async () => {
  await stage();
  const answer = held();
  await press(() => moderation.mute("alice", "TR_MICROPHONE"));
  expect(person("alice").isMicrophoneOn).toBe(false);
  expect(moderation.isBusy).toBe(true);
  // Somebody else does something: the list is of before the mute.
  list([alice, { ...bob, name: "Robert" }], 2);
  await settle();
  await answer(200, { muted: true });
  expect(moderation).toMatchObject({ isBusy: false, error: null });
  list([alice, { ...bob, name: "Bob" }], 3);
  list([muted(alice), bob], 4);
  await settle(10_000);
  expect(drawn).toEqual([`alice bob+ | ${PEOPLE}`]);
  // Now she turns it on herself.
  list([alice, bob], 5);
  expect(person("alice").isMicrophoneOn).toBe(true);
  expect(FakeService.calls).toEqual([
    {
      method: "PATCH",
      path: "stage/participants/alice/tracks/TR_MICROPHONE",
      authorization: `Bearer ${MODERATOR}`,
      body: { muted: true },
    },
  ]);
});

test("a list that has the mute before the answer comes changes nothing more", async () => {
  await stage();
  const answer = held();
  await press(() => moderation.mute("alice", "TR_MICROPHONE"));
  list([muted(alice), bob], 2);
  await answer(200);
  await settle(10_000);
  expect(drawn).toEqual([`alice bob+ | ${PEOPLE}`]);
});

test("a refusal takes it back, and is there to read and to catch", async () => {
  await stage();
  const answer = held();
  let caught: unknown;
  await press(() => moderation.mute("alice", "TR_MICROPHONE").catch((error: unknown) => (caught = error)));
  expect(person("alice").isMicrophoneOn).toBe(false);
  await answer(403, { detail: "LiveKit refuses: she is a recorder" });
  expect(person("alice").isMicrophoneOn).toBe(true);
  expect(caught).toBeInstanceOf(ModerationError);
  expect(moderation.error).toBe(caught);
  expect(moderation.error).toMatchObject({ status: 403, detail: "LiveKit refuses: she is a recorder" });
  act(() => moderation.dismiss());
  expect(moderation.error).toBe(null);
  // And nobody complains of a promise that nobody handles.
  FakeService.carryOut = () => ({ status: 503, body: { detail: "LiveKit cannot be reached" } });
  const unhandled = vi.fn();
  process.on("unhandledRejection", unhandled);
  await press(() => moderation.remove("alice"));
  await settle();
  vi.useRealTimers();
  await new Promise((resolve) => setTimeout(resolve));
  vi.useFakeTimers();
  process.off("unhandledRejection", unhandled);
  expect([moderation.error?.status, unhandled.mock.calls.length]).toEqual([503, 0]);
  FakeService.carryOut = () => ({ status: 204, body: null });
  await press(() => moderation.remove("bob"));
  await settle();
  expect(moderation.error, "a success ends it").toBe(null);
});

test("a promotion shows at once, and the roster's newer versions count", async () => {
  await stage();
  const answer = held();
  await press(() => moderation.update("alice", { role: "speaker" }));
  expect(entry("alice")).toMatchObject({ role: "speaker", canSpeak: false });
  expect(person("alice").roster).toMatchObject({ role: "speaker" });
  // An older push: somebody wrote a note before.
  pushRoster([inside("alice", { note: "hi", version: "2" })], 2);
  expect(entry("alice")).toMatchObject({ role: "speaker", note: "hi" });
  await answer(200, inside("alice", { role: "speaker", canSpeak: true, note: "hi", version: "10" }));
  expect(entry("alice")).toMatchObject({ role: "speaker", canSpeak: true, version: "10" });
  pushRoster([inside("alice", { note: "ho", version: "9" })], 3);
  expect(entry("alice"), "older than the answer").toMatchObject({ role: "speaker", note: "hi" });
  pushRoster([inside("alice", { role: "speaker", canSpeak: true, note: "hi", version: "10" })], 4);
  pushRoster([inside("alice", { role: "host", version: "11" })], 5);
  await settle();
  expect(entry("alice")).toMatchObject({ role: "host", version: "11" });
  const rolesOfAlice = drawn.map((now) => now.split("| ")[1]!.split(" ")[1]);
  expect(rolesOfAlice).toEqual(["speaker", "host"]);
});

test("a refused promotion is taken back to what the roster says meanwhile", async () => {
  await stage();
  const answer = held();
  await press(() => moderation.update("alice", { role: "speaker", name: "Queen" }));
  expect([entry("alice")!.role, person("alice").name]).toEqual(["speaker", "Queen"]);
  pushRoster([inside("alice", { role: "host", version: "2" })], 2);
  await answer(412, { detail: "it has changed" });
  expect([entry("alice")!.role, person("alice").name]).toEqual(["host", "Alice"]);
  expect(FakeService.calls.length, "the rest was not tried").toBe(1);
});

test("who is removed or banned is gone at once, and whoever comes back is shown", async () => {
  await stage();
  let answer = held();
  await press(() => moderation.remove("alice"));
  expect(drawn).toEqual([`bob+ | ${PEOPLE.replace("JOINED", "LEFT")}`]);
  expect(roster).toMatchObject({ onlineCount: 1, totalCount: 3 });
  list([alice, bob, someone("dave")], 2);
  await settle();
  await answer(204);
  list([bob], 3);
  list([bob, { ...alice, sid: "PA_again" }], 4);
  expect(person("alice").sid).toBe("PA_again");
  answer = held();
  await press(() => moderation.ban("bob", { reason: "noise" }));
  expect(person("bob")).toBe(undefined);
  await answer(502, { detail: "LiveKit answered nonsense" });
  expect(person("bob").isMicrophoneOn).toBe(true);
  expect(FakeService.calls.map(({ method, path, body }) => [method, path, body])).toEqual([
    ["DELETE", "stage/participants/alice", undefined],
    ["PUT", "stage/bans/bob", { reason: "noise" }],
  ]);
});

test("everybody is muted at once, and those whom LiveKit did not mute are not", async () => {
  await stage();
  const answer = held();
  await press(() => moderation.muteAll({ except: ["carol"] }));
  expect(drawn).toEqual([`alice bob | ${PEOPLE}`]);
  await answer(200, {
    muted: [{ identity: "alice", sid: "TR_MICROPHONE" }],
    failed: [{ identity: "bob", sid: "TR_bob", detail: "not there" }],
  });
  expect(drawn.at(-1)).toBe(`alice bob+ | ${PEOPLE}`);
});

test("calls about one person go one after the other, and others do not wait for them", async () => {
  await stage();
  const answers: ((answer: { status: number; body: unknown }) => void)[] = [];
  FakeService.carryOut = () => new Promise((resolve) => answers.push(resolve));
  const asked = () => FakeService.calls.map(({ path, body }: Call) => [path, body]);
  await press(() => moderation.update("alice", { role: "speaker" }));
  await press(() => moderation.update("alice", { role: "viewer" }));
  await press(() => moderation.update("bob", { role: "host" }));
  await press(() => moderation.end());
  expect([entry("alice")!.role, entry("bob")!.role]).toEqual(["viewer", "host"]);
  expect(asked()).toEqual([
    ["stage/roster/alice", { role: "speaker" }],
    ["stage/roster/bob", { role: "host" }],
  ]);
  answers[0]!({ status: 200, body: inside("alice", { role: "speaker", version: "2" }) });
  await settle();
  expect(entry("alice")!.role).toBe("viewer");
  expect(asked()[2]).toEqual(["stage/roster/alice", { role: "viewer" }]);
  answers[2]!({ status: 200, body: inside("alice", { role: "viewer", version: "3" }) });
  answers[1]!({ status: 200, body: inside("bob", { role: "host", version: "2" }) });
  await settle();
  expect(asked().length, "the room ends when all else is done").toBe(4);
  answers[3]!({ status: 204, body: null });
  // The pushes of all of it come late.
  pushRoster([inside("alice", { role: "speaker", version: "2" })], 2);
  expect(entry("alice")!.role).toBe("viewer");
  pushRoster([inside("alice", { role: "viewer", version: "3" }), inside("bob", { role: "host", version: "2" })], 3);
  await settle();
  expect(drawn.map((now) => now.split("alice ").at(-1)!.split(",")[0])).toEqual([
    "speaker JOINED",
    "viewer JOINED",
    "viewer JOINED",
  ]);
});

test("who is invited is on the roster at once, in their place, and taken off again", async () => {
  await stage();
  let answer = held();
  await press(() => moderation.roster.put("bea", { role: "host" }));
  expect(roster.entries.map(({ identity }) => identity)).toEqual(["alice", "bea", "bob", "carol"]);
  expect(roster).toMatchObject({ onlineCount: 2, totalCount: 4 });
  expect(presence.absent.map(({ identity }) => identity)).toEqual(["bea", "carol"]);
  await answer(201, invited("bea", { role: "host", version: "1" }));
  pushRoster([invited("bea", { role: "host", version: "1" })], 2);
  answer = held();
  await press(() => moderation.roster.delete("carol"));
  await press(() => moderation.roster.delete("bob"));
  expect(entry("carol")).toBe(undefined);
  expect(entry("bob"), "who is inside stays, uninvited").toMatchObject({ invited: false, status: "JOINED" });
  await answer(404, { detail: "there is none" });
  expect(entry("carol")).toMatchObject({ status: "INVITED" });
});

test("LiveKit's permission, name and attributes change at once", async () => {
  const shut = { canPublish: false, canSubscribe: true, canPublishData: true };
  await stage({}, [{ ...alice, attributes: { hand: "up", seat: "1" }, permission: shut }, bob]);
  const answer = held();
  const permission = { canPublish: true };
  await press(() => moderation.update("alice", { permission, metadata: "m", attributes: { hand: "", seat: "2" } }));
  expect(person("alice")).toMatchObject({ metadata: "m", attributes: { seat: "2" } });
  expect(person("alice").permission, "the list leaves out what may do everything").toBe(undefined);
  await answer(200);
  list([{ ...alice, attributes: { seat: "2" }, metadata: "m" }, bob], 2);
  list([{ ...alice, metadata: "n" }, bob], 3);
  expect(person("alice")).toMatchObject({ metadata: "n", attributes: {} });
});

test("inside a call, who is muted or removed shows before livekit-client knows", async () => {
  const call = new FakeCall("stage");
  const alicesView = inCall("alice", { isMicrophoneEnabled: true });
  call.join(alicesView);
  await stage({ call });
  expect(person("alice").isMicrophoneOn).toBe(true);
  let answer = held();
  await press(() => moderation.mute("alice", "TR_MICROPHONE"));
  expect(person("alice").isMicrophoneOn).toBe(false);
  await answer(200);
  call.change("trackMuted", () => (alicesView.isMicrophoneEnabled = false));
  list([muted(alice), bob], 2);
  expect(person("alice").isMicrophoneOn).toBe(false);
  answer = held();
  await press(() => moderation.remove("alice"));
  expect(person("alice")).toBe(undefined);
  await answer(204);
  list([bob], 3);
  expect(person("alice"), "livekit-client still has her").toBe(undefined);
  call.change("participantDisconnected", () => call.remoteParticipants.delete("alice"));
  expect(presence.participants.map(({ identity }) => identity)).toEqual(["bob", "me"]);
});

test("who moderates is in the token", async () => {
  const page = await stage();
  expect(moderation.canModerate).toBe(true);
  const shown = async (options: ModerationOptions, room: string | null = "stage") => {
    await page.render(
      <Provider token={MODERATOR}>
        <Stage room={room} options={options} />
      </Provider>,
    );
    await settle();
    return moderation.canModerate;
  };
  expect(await shown({}, "other")).toBe(false);
  expect(await shown({}, null)).toBe(false);
  expect(await shown({ token: claims({ roomAdmin: true }) })).toBe(false);
  expect(await shown({ token: claims({ room: "stage", roomJoin: true }) })).toBe(false);
  expect(await shown({ token: () => Promise.reject(new Error("none")) })).toBe(false);
  await shown({ token: async () => MODERATOR });
  await settle(30_000);
  expect(moderation.canModerate, "a function that works at last").toBe(true);
  expect(await shown({ token: "a cookie has it", canModerate: true })).toBe(true);
});

test("another token than the provider's is for the calls only, and the newest function gets it", async () => {
  const token = vi.fn(() => claims({ roomAdmin: true, room: "stage" }));
  await stage({ options: { token } });
  FakeService.carryOut = () => ({ status: 204, body: null });
  await press(() => moderation.remove("alice"));
  await settle();
  expect(token).toHaveBeenCalled();
  expect(FakeService.calls[0]!.authorization).toBe(`Bearer ${claims({ roomAdmin: true, room: "stage" })}`);
});

test("each room has a token of its own", async () => {
  const stageOf = (room: string) => (
    <Provider>
      <Stage room={room} options={{ token: () => claims({ roomAdmin: true, room }) }} />
    </Provider>
  );
  const page = await show(stageOf("stage"));
  await settle();
  expect(moderation.canModerate).toBe(true);
  await page.render(stageOf("other"));
  await settle();
  expect(moderation.canModerate).toBe(true);
  FakeService.carryOut = () => ({ status: 204, body: null });
  await press(() => moderation.remove("alice"));
  await settle();
  expect(FakeService.calls.map(({ path, authorization }) => [path, authorization])).toEqual([
    ["other/participants/alice", `Bearer ${claims({ roomAdmin: true, room: "other" })}`],
  ]);
});

test("without a room every call is refused, and nothing is asked", async () => {
  const page = await show(
    <Provider>
      <Stage room={null} />
    </Provider>,
  );
  await press(() => moderation.end());
  await settle();
  expect([moderation.error?.status, FakeService.calls.length, FakeService.streams.length]).toEqual([400, 0, 0]);
  await page.unmount();
  expect(await errorOf(<Stage />)).toContain("useModeration needs a <PresenceProvider>");
});

test("where the service keeps no roster, the hook says so and the list is shown all the same", async () => {
  FakeService.answer = (url) =>
    url.pathname.endsWith("/roster")
      ? { status: 404, body: { detail: "this service keeps no roster" } }
      : { status: 200, body: [] };
  await show(
    <Provider token={MODERATOR}>
      <Shown />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ stage: [alice] }, 1, FakeService.streamOf("livekit/participants/stream"));
  FakeService.streamOf("livekit/rooms/stream").end(false);
  await settle(1_000);
  expect(roster).toMatchObject({ status: "error", error: { status: 404, message: "this service keeps no roster" } });
  expect(presence.participants.map(({ identity }) => identity)).toEqual(["alice"]);
  expect(presence).toMatchObject({ status: "live", absent: [], onlineCount: null });
});

test("who is between the two streams is not shown as absent", async () => {
  await stage();
  // The roster is ahead of the list, and behind it.
  pushRoster([inside("carol", { version: "2" })], 2);
  expect(presence.absent).toEqual([]);
  list([alice, bob, someone("zoe")], 2);
  expect(presence.absent).toEqual([]);
  expect(person("zoe").roster).toBe(undefined);
});

test("nothing renders again where nothing changed", async () => {
  const page = await stage();
  const [before, beforeRoster, beforeModeration] = [presence, roster, moderation];
  await page.render(
    <StrictMode>
      <Provider token={MODERATOR}>
        <Stage />
        <Shown />
      </Provider>
    </StrictMode>,
  );
  expect(presence).toBe(before);
  expect(roster).toBe(beforeRoster);
  expect(moderation).toBe(beforeModeration);
});
