import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { followAttendance, type AttendanceFeed } from "../src/attendance/feed.js";
import { timelineOf } from "../src/attendance/layout.js";
import type { AttendanceRange, Attendee } from "../src/attendance/types.js";
import { credentialsFrom } from "../src/service.js";
import type { Participant, TokenSource } from "../src/types.js";
import { ago, attendee, MINUTE, NOW, session } from "./history.js";
import { person, Service } from "./service.js";

let feeds: AttendanceFeed[] = [];
/** What the service keeps. */
let rows: Attendee[] = [];
let asked: { url: URL; authorization: string | undefined }[] = [];
let answer: (url: URL) => { status: number; body?: unknown; headers?: Record<string, string> };
/** What the service's clock is ahead. */
let ahead = 0;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  vi.spyOn(Math, "random").mockReturnValue(0);
  new Service();
  rows = [];
  asked = [];
  ahead = 0;
  answer = () => ({ status: 200, body: { toMs: Date.now() + ahead, people: rows } });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit) => {
    const url = new URL(address);
    asked.push({ url, authorization: (init.headers as Record<string, string>)["Authorization"] });
    const { status, body, headers } = answer(url);
    return new Response(JSON.stringify(body ?? {}), { status, headers: headers ?? {} });
  });
});

afterEach(() => {
  for (const feed of feeds) feed.close();
  feeds = [];
  // The heartbeat of the simulated service stays.
  expect(vi.getTimerCount(), "timers left").toBe(1);
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function follow(token?: TokenSource, range: AttendanceRange = "hour"): Promise<AttendanceFeed> {
  const source = { url: "https://presence.example", credentials: credentialsFrom(token, undefined), room: "a/b" };
  const feed = followAttendance(source, range, () => {});
  feeds.push(feed);
  await pass(0);
  return feed;
}

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

let version = 1;
const see = (feed: AttendanceFeed, ...participants: Participant[]) => feed.see({ participants, version: version++ });
const inside = (identity: string, more: Partial<Participant> = {}) =>
  person(identity, { joinedAt: Date.now(), ...more });
const microphone = { sid: "TR_1", source: "MICROPHONE", type: "AUDIO", muted: false, name: "" };
const sessionsOf = (feed: AttendanceFeed) => feed.state().people.flatMap(({ sessions }) => sessions);

test("the rows of the last hour are fetched once, with the token", async () => {
  rows = [attendee("alice", session("PA_alice", [[ago(5), ago(1)]]))];
  const feed = await follow("secret");
  expect(feed.state()).toMatchObject({ status: "ready", people: rows, isCut: false });
  await pass(60 * MINUTE);
  expect(asked.length, "nothing is polled").toBe(1);
  expect(asked[0]!.url.pathname).toBe("/api/livekit/rooms/a%2Fb/attendance");
  expect(asked[0]!.url.searchParams.get("from")).toBe(String(ago(60)));
  expect(asked[0]!.authorization).toBe("Bearer secret");
});

test("what the service ends only because the range ends goes on", async () => {
  const at = NOW;
  answer = () => ({ status: 200, body: { toMs: NOW, people: rows } });
  const alice = session(
    "PA_alice",
    [
      [ago(9), ago(7)],
      [ago(5), at],
    ],
    { leftAtMs: null, camera: [[ago(4), at]] },
  );
  rows = [attendee("alice", alice), attendee("bob", session("PA_bob", [[ago(5), at]]))];
  const feed = await follow();
  expect(sessionsOf(feed)).toMatchObject([
    {
      intervals: [
        [ago(9), ago(7)],
        [ago(5), null],
      ],
      camera: [[ago(4), null]],
    },
    { leftAtMs: at, intervals: [[ago(5), at]] },
  ]);
  expect(timelineOf(feed.state().people, "hour", feed.now() + MINUTE)).toMatchObject({
    peopleNow: 1,
    rows: [{ isInside: true, insideMs: 8 * MINUTE }, { isInside: false }],
  });
});

test("a join is shown at once, and the rows are fetched a moment later, once for all who come", async () => {
  const feed = await follow();
  see(feed);
  const [alice, bob] = [inside("alice", { tracks: [microphone] }), inside("bob")];
  see(feed, alice);
  expect(sessionsOf(feed)).toMatchObject([
    { sid: "PA_alice", leftAtMs: null, intervals: [[NOW, null]], microphone: [[NOW, null]], camera: [] },
  ]);
  await pass(500);
  see(feed, alice, bob);
  expect(asked.length).toBe(1);
  rows = [
    attendee("alice", session("PA_alice", [[NOW, null]], { microphone: [[NOW, null]] })),
    attendee("bob", session("PA_bob", [[NOW, null]])),
  ];
  await pass(1_000);
  expect(asked.length).toBe(2);
  expect(feed.state().people).toEqual(rows);
  await pass(10 * MINUTE);
  expect(asked.length, "the rows have all").toBe(2);
});

test("of many who see the same change, not all ask for the rows in the same second", async () => {
  const visitors = await Promise.all(Array.from({ length: 20 }, () => follow()));
  for (const feed of visitors) feed.see({ participants: [], version: 1 });
  asked = [];
  for (const [number, feed] of visitors.entries()) {
    vi.mocked(Math.random).mockReturnValue(number / visitors.length);
    feed.see({ participants: [inside("alice")], version: 2 });
  }
  rows = [attendee("alice", session("PA_alice", [[NOW, null]]))];
  const askedBy: number[] = [];
  for (let second = 1; second <= 3; second += 1) {
    await pass(999);
    askedBy.push(asked.length);
    await pass(1);
  }
  expect(askedBy).toEqual([0, 10, 20]);
});

test("a leave ends all bars at once, and the row's own time replaces the guess", async () => {
  const open = session("PA_alice", [[ago(5), null]], { microphone: [[ago(4), null]] });
  rows = [attendee("alice", open)];
  const feed = await follow();
  see(feed, person("alice", { joinedAt: ago(5), tracks: [microphone] }));
  await pass(MINUTE);
  see(feed);
  const end = NOW + MINUTE;
  expect(sessionsOf(feed)).toMatchObject([{ leftAtMs: end, intervals: [[ago(5), end]], microphone: [[ago(4), end]] }]);
  const said = session("PA_alice", [[ago(5), end - 7]], { microphone: [[ago(4), end - 7]] });
  rows = [attendee("alice", said)];
  await pass(1_000);
  expect(sessionsOf(feed)).toEqual([said]);
});

test("a microphone that is muted ends its bar, and one that is not begins another", async () => {
  rows = [attendee("alice", session("PA_alice", [[ago(5), null]], { microphone: [[ago(4), null]] }))];
  const feed = await follow();
  const alice = person("alice", { joinedAt: ago(5), tracks: [microphone] });
  see(feed, alice);
  await pass(10);
  see(feed, { ...alice, tracks: [{ ...microphone, muted: true }] });
  expect(sessionsOf(feed)[0]!.microphone).toEqual([[ago(4), NOW + 10]]);
  rows = [attendee("alice", session("PA_alice", [[ago(5), null]], { microphone: [[ago(4), NOW + 9]] }))];
  await pass(2_000);
  see(feed, alice);
  expect(sessionsOf(feed)[0]!.microphone).toEqual([
    [ago(4), NOW + 9],
    [NOW + 2_010, null],
  ]);
});

test("rows that come late are fetched again, less and less often, and not for ever", async () => {
  const feed = await follow();
  see(feed);
  see(feed, inside("alice"));
  await pass(16_500);
  expect(asked.length, "after 1, 2, 4, 8 and 16 seconds").toBe(6);
  await pass(60 * MINUTE);
  expect(asked.length).toBe(10);
  expect(sessionsOf(feed).length, "she is shown all the same").toBe(1);
});

test("somebody who came and went between two lists is found too, a little later", async () => {
  const feed = await follow();
  see(feed);
  rows = [attendee("alice", session("PA_alice", [[ago(1), ago(0)]]))];
  see(feed);
  await pass(14_000);
  expect(asked.length).toBe(1);
  await pass(1_500);
  expect(feed.state().people).toEqual(rows);
});

test("the same list again fetches nothing", async () => {
  const feed = await follow();
  feed.see({ participants: [], version: 7 });
  feed.see({ participants: [], version: 7 });
  feed.see({ participants: [], version: null });
  await pass(10 * MINUTE);
  expect(asked.length).toBe(1);
});

test("people of all pages are there, up to five thousand, and it is said if there are more", async () => {
  answer = ({ searchParams }) => {
    const page = Number(searchParams.get("cursor") ?? 0);
    if (page > 0) expect(searchParams.get("to")).toBe(String(NOW));
    const people = [attendee(`person ${page}`, session(`PA_${page}`, [[ago(5), null]]))];
    return { status: 200, body: { toMs: NOW, people, ...(page < last && { next: String(page + 1) }) } };
  };
  let last = 2;
  const feed = await follow();
  expect(feed.state().people.map(({ identity }) => identity)).toEqual(["person 0", "person 1", "person 2"]);
  expect(feed.state().isCut).toBe(false);
  last = 9;
  feed.reload();
  await pass(0);
  expect(feed.state().people.length).toBe(5);
  expect(feed.state().isCut).toBe(true);
});

test("a service without a history is asked once", async () => {
  answer = () => ({ status: 404, body: { detail: "set `history.url`" } });
  const feed = await follow();
  expect(feed.state()).toMatchObject({
    status: "off",
    people: [],
    error: { status: 404, message: "set `history.url`" },
  });
  see(feed);
  see(feed, inside("alice"));
  await pass(60 * MINUTE);
  expect(asked.length).toBe(1);
});

test("a database that is away is asked again when the service says, and what was known stays", async () => {
  rows = [attendee("alice", session("PA_alice", [[ago(5), ago(1)]]))];
  const feed = await follow();
  const isUp = answer;
  vi.mocked(Math.random).mockReturnValue(1);
  answer = () => ({ status: 503, body: { detail: "the database is away" }, headers: { "Retry-After": "5" } });
  feed.reload();
  await pass(0);
  expect(feed.state()).toMatchObject({ status: "ready", people: rows, error: { message: "the database is away" } });
  answer = isUp;
  await pass(5_900);
  expect(asked.length).toBe(2);
  await pass(200);
  expect(feed.state().error).toBeNull();
});

test("a token that is refused is replaced once, and then the refusal is shown", async () => {
  answer = () => ({ status: 401, body: { detail: "show a token" } });
  let tokens = 0;
  const feed = await follow(() => `token ${++tokens}`);
  await pass(10 * MINUTE);
  expect(feed.state()).toMatchObject({ status: "error", error: { status: 401, message: "show a token" } });
  expect(asked.map(({ authorization }) => authorization)).toEqual(["Bearer token 1", "Bearer token 2"]);
});

test("a refusal is final, however much changes, until somebody asks for another try", async () => {
  answer = () => ({ status: 403, body: { detail: "show a token with roomAdmin" } });
  const feed = await follow("secret");
  see(feed);
  see(feed, inside("alice"));
  await pass(10 * MINUTE);
  expect(feed.state()).toMatchObject({ status: "error", error: { message: "show a token with roomAdmin" } });
  expect(asked.length).toBe(1);
  feed.reload();
  await pass(0);
  expect(asked.length).toBe(2);
});

test("what is thrown by the page's own token function is not shown", async () => {
  const feed = await follow(() => Promise.reject(new Error("secret")));
  expect(feed.state()).toMatchObject({ status: "error", error: { status: 0, message: "no token could be had" } });
});

test("a machine whose clock is wrong shows the service's time", async () => {
  ahead = 120 * MINUTE;
  const feed = await follow();
  expect(feed.now()).toBe(NOW + ahead);
  await pass(1_000);
  const from = asked.map(({ url }) => Number(url.searchParams.get("from")));
  // The timer of the second request takes a millisecond.
  expect(from).toEqual([ago(60), ago(60) + ahead + 1]);
  await pass(60 * MINUTE);
  expect(asked.length).toBe(2);
});

test("another range is fetched at once", async () => {
  const feed = await follow();
  feed.setRange("day");
  await pass(0);
  expect(asked[1]!.url.searchParams.get("from")).toBe(String(ago(24 * 60)));
});

test("a hidden page fetches nothing until it is shown", async () => {
  const page = document as unknown as { hidden: boolean } & EventTarget;
  const feed = await follow();
  see(feed);
  page.hidden = true;
  see(feed, inside("alice"));
  await pass(10 * MINUTE);
  expect(asked.length).toBe(1);
  page.hidden = false;
  page.dispatchEvent(new Event("visibilitychange"));
  await pass(0);
  expect(asked.length).toBe(2);
});

test("what is closed fetches nothing more, and shows nothing more", async () => {
  const feed = await follow();
  see(feed);
  see(feed, inside("alice"));
  feed.close();
  await pass(10 * MINUTE);
  expect(asked.length).toBe(1);
});
