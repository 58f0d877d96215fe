import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { mayModerate, moderate, ModerationError, requestToken, type Moderator } from "../src/moderate/index.js";

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly headers: Record<string, string>;
  readonly credentials: RequestCredentials | undefined;
  readonly body: unknown;
}

const url = "https://presence.example.com/";
let asked: Asked[];
/** What the service answers; 204 without a body. */
let answer: (request: Asked) => { status: number; body?: unknown; retryAfter?: string } | Promise<never>;

beforeEach(() => {
  asked = [];
  answer = () => ({ status: 200, body: {} });
  vi.stubGlobal("fetch", async (address: string, init: RequestInit & { headers: Record<string, string> }) => {
    const { pathname, search, origin } = new URL(address);
    expect(origin).toBe("https://presence.example.com");
    const { method, headers, credentials } = init;
    const body = init.body === undefined ? undefined : (JSON.parse(init.body as string) as unknown);
    const authorization = headers["Authorization"];
    const request = { method: method!, path: pathname + search, authorization, headers, credentials, body };
    asked.push(request);
    const aborted = new Promise<never>((_, reject) => {
      init.signal!.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    });
    const { status, body: content, retryAfter } = await Promise.race([answer(request), aborted]);
    const text = content === undefined ? null : JSON.stringify(content);
    return new Response(text, { status, headers: retryAfter ? { "Retry-After": retryAfter } : {} });
  });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const stage = (): Moderator => moderate({ url, room: "stage", token: "secret" });
const last = () => asked.at(-1)!;
/** What a call asks for, as a method, a path and a body. */
async function request(call: (moderator: Moderator) => Promise<unknown>): Promise<unknown[]> {
  await call(stage());
  const { method, path, body } = last();
  return body === undefined ? [method, path] : [method, path, body];
}
async function refusal(call: Promise<unknown>): Promise<ModerationError> {
  const error: unknown = await call.then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(ModerationError);
  return error as ModerationError;
}

const ROOM = "/api/livekit/rooms/stage";

it("each call asks for what its name says", async () => {
  expect(await request((room) => room.update("alice", { role: "speaker", canVideo: null }))).toEqual([
    "PATCH",
    `${ROOM}/roster/alice`,
    { role: "speaker", canVideo: null },
  ]);
  const permission = { canPublish: true, canPublishSources: ["microphone"] as const };
  expect(await request((room) => room.update("alice", { permission, attributes: { hand: null } }))).toEqual([
    "PATCH",
    `${ROOM}/participants/alice`,
    { permission, attributes: { hand: null } },
  ]);
  expect(await request((room) => room.mute("alice", "TR_1"))).toEqual([
    "PATCH",
    `${ROOM}/participants/alice/tracks/TR_1`,
    { muted: true },
  ]);
  expect((await request((room) => room.mute("alice", "TR_1", false)))[2]).toEqual({ muted: false });
  expect(await request((room) => room.muteAll({ except: ["host"] }))).toEqual([
    "POST",
    `${ROOM}/mute-all`,
    { except: ["host"], sources: ["microphone"] },
  ]);
  expect(await request((room) => room.ban("alice"))).toEqual(["PUT", `${ROOM}/bans/alice`, {}]);
  const until = new Date("2026-12-01T00:00:00Z");
  expect((await request((room) => room.ban("alice", { until, reason: "noise" })))[2]).toEqual({
    until: "2026-12-01T00:00:00.000Z",
    reason: "noise",
  });
  expect(await request((room) => room.roster.put("alice", { note: "hi" }))).toEqual([
    "PUT",
    `${ROOM}/roster/alice`,
    { note: "hi" },
  ]);
  expect(await request((room) => room.roster.put([{ identity: "alice" }]))).toEqual([
    "PUT",
    `${ROOM}/roster`,
    { entries: [{ identity: "alice" }] },
  ]);
  expect((await request((room) => room.roster.patch([{ identity: "alice", role: "host" }])))[0]).toBe("PATCH");
  expect(await request((room) => room.roster.clear())).toEqual(["DELETE", `${ROOM}/roster`]);
  expect(await request((room) => room.roster.get("alice"))).toEqual(["GET", `${ROOM}/roster/alice`]);
  answer = () => ({ status: 204 });
  expect(await request((room) => room.remove("alice"))).toEqual(["DELETE", `${ROOM}/participants/alice`]);
  expect(await request((room) => room.remove("alice", { revoke: true }))).toEqual([
    "DELETE",
    `${ROOM}/participants/alice?revoke=true`,
  ]);
  expect(await request((room) => room.unban("alice"))).toEqual(["DELETE", `${ROOM}/bans/alice`]);
  expect(await request((room) => room.roster.delete("alice"))).toEqual(["DELETE", `${ROOM}/roster/alice`]);
  expect(await request((room) => room.end())).toEqual(["DELETE", ROOM]);
  answer = () => ({ status: 200, body: { bans: [{ identity: "bob" }] } });
  expect(await stage().bans()).toEqual([{ identity: "bob" }]);
  expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer secret"]));
});

it("an update of both writes the roster first, and returns both", async () => {
  answer = ({ path }) => ({ status: 200, body: { from: path } });
  const updated = await stage().update("alice", { canSpeak: true, name: "Alice" });
  expect(asked.map(({ path, body }) => [path, body])).toEqual([
    [`${ROOM}/roster/alice`, { canSpeak: true }],
    [`${ROOM}/participants/alice`, { name: "Alice" }],
  ]);
  expect(updated).toEqual({
    entry: { from: `${ROOM}/roster/alice` },
    participant: { from: `${ROOM}/participants/alice` },
  });
  asked = [];
  expect(await stage().update("alice", {})).toEqual({});
  expect(asked).toEqual([]);
});

it("an entry is written only if it is as it was read", async () => {
  await stage().roster.patch("alice", { role: "host" }, { ifVersion: "17" });
  expect(last().headers["If-Match"]).toBe('"17"');
  await stage().roster.put("alice", {}, { ifVersion: null });
  expect(last().headers["If-None-Match"]).toBe("*");
  answer = () => ({ status: 412, body: { detail: "the entry has changed since: read it again" } });
  expect((await refusal(stage().roster.delete("alice", { ifVersion: "17" }))).status).toBe(412);
});

it("names of all kinds are a part of the path, and none leads to another path", async () => {
  await moderate({ url, room: "a/b ?#é" }).remove("🦊/..");
  expect(last().path).toBe("/api/livekit/rooms/a%2Fb%20%3F%23%C3%A9/participants/%F0%9F%A6%8A%2F..");
  asked = [];
  // `…/participants/..` would be the room, and to delete it ends it.
  for (const name of ["..", ".", ""]) {
    expect((await refusal(stage().remove(name))).status).toBe(400);
    expect((await refusal(stage().roster.delete(name))).status).toBe(400);
    expect((await refusal(moderate({ url, room: name }).end())).status).toBe(400);
  }
  expect(asked).toEqual([]);
});

it("a refusal is an error with what the service says", async () => {
  answer = () => ({ status: 429, body: { status: 429, detail: "slow down" }, retryAfter: "3" });
  const slow = await refusal(stage().end());
  expect([slow.status, slow.detail, slow.message, slow.retryAfter]).toEqual([429, "slow down", "slow down", 3_000]);
  expect(slow.name).toBe("ModerationError");
  answer = () => ({ status: 502, body: "<html>" });
  const unknown = await refusal(stage().end());
  expect([unknown.status, unknown.detail, unknown.retryAfter]).toEqual([502, "the service answered 502", null]);
});

it("nobody answers: the error says so, and holds no address and no token", async () => {
  answer = () => Promise.reject(new TypeError("Failed to fetch https://secret"));
  const lost = await refusal(stage().end());
  expect([lost.status, lost.detail]).toEqual([0, "the service cannot be reached"]);
  const failing = moderate({ url, room: "stage", token: () => Promise.reject(new Error("secret")) });
  expect((await refusal(failing.end())).detail).toBe("no token could be had");

  vi.useFakeTimers();
  answer = () => new Promise<never>(() => {});
  const silent = refusal(stage().end());
  await vi.advanceTimersByTimeAsync(15_000);
  expect((await silent).detail).toContain("look whether it did what was asked");
  expect(vi.getTimerCount()).toBe(0);
});

it("a token that is refused is asked for again once, and a constant one is not", async () => {
  const tokens = ["old", "new", "newest"];
  const answers = [401, 200];
  answer = () => ({ status: answers.shift() ?? 401, body: { detail: "show a token" } });
  const moderator = moderate({ url, room: "stage", token: () => tokens.shift()! });
  await moderator.muteAll();
  expect(asked.map(({ authorization }) => authorization)).toEqual(["Bearer old", "Bearer new"]);
  expect((await refusal(moderator.end())).status).toBe(401);
  expect(asked.map(({ authorization }) => authorization).slice(2)).toEqual(["Bearer new", "Bearer newest"]);
  asked = [];
  expect((await refusal(stage().end())).status).toBe(401);
  expect(asked.length).toBe(1);
});

it("cookies are sent to another origin only if asked to", async () => {
  await moderate({ url, room: "stage", withCredentials: true }).muteAll();
  expect([last().credentials, last().authorization]).toEqual(["include", undefined]);
  await stage().muteAll();
  expect(last().credentials).toBe(undefined);
});

it("the whole roster is read page by page", async () => {
  const entry = (identity: string) => ({ identity });
  answer = ({ path }) => {
    const after = new URL(path, url).searchParams.get("after");
    const totals = { room: "stage", onlineCount: 1, totalCount: 3 };
    return after === "b/b"
      ? { status: 200, body: { ...totals, entries: [entry("c")] } }
      : { status: 200, body: { ...totals, entries: [entry("a"), entry("b/b")], next: "b/b" } };
  };
  expect(await stage().roster.get()).toEqual({
    onlineCount: 1,
    totalCount: 3,
    entries: [entry("a"), entry("b/b"), entry("c")],
  });
  expect(asked.map(({ path }) => path)).toEqual([`${ROOM}/roster?limit=1000`, `${ROOM}/roster?limit=1000&after=b%2Fb`]);
});

it("a token moderates the room that it names, and no other", () => {
  const token = (video: object) => `h.${btoa(JSON.stringify({ video }))}.s`;
  expect(mayModerate(token({ roomAdmin: true, room: "stage" }), "stage")).toBe(true);
  for (const video of [{ roomAdmin: true }, { room: "stage", roomJoin: true }, { roomAdmin: true, room: "other" }]) {
    expect(mayModerate(token(video), "stage"), JSON.stringify(video)).toBe(false);
  }
  expect([mayModerate("no token", "stage"), mayModerate(undefined, "stage"), mayModerate(null, "")]).toEqual([
    false,
    false,
    false,
  ]);
});

it("a token of LiveKit is made for whom the app's token names, and in the demo for anybody", async () => {
  const made = { token: "jwt", url: "wss://livekit.example", identity: "alice", expiresAt: "2026-12-01T00:00:00Z" };
  answer = () => ({ status: 200, body: made });
  expect(await requestToken({ url, token: "of the app", room: "stage", name: "Alice" })).toEqual(made);
  const { method, path, body, authorization } = last();
  expect([method, path, body, authorization]).toEqual([
    "POST",
    "/api/livekit/token",
    { room: "stage", name: "Alice" },
    "Bearer of the app",
  ]);
  await requestToken({ url, room: "stage", username: "zoe & co" });
  expect([last().method, new URL(last().path, url).searchParams.get("username")]).toEqual(["GET", "zoe & co"]);
});
