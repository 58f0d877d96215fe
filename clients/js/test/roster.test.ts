import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { openSocket } from "../src/connection/websocket.js";
import {
  watchRoster,
  type RosterEntry,
  type RosterOptions,
  type RosterSnapshot,
  type RosterWatch,
} from "../src/moderate/index.js";
import { Service } from "./service.js";

// Loading a module does not follow the simulated time.
vi.mock("../src/watch.js", async (load) => ({
  ...(await load<typeof import("../src/watch.js")>()),
  socketOf: ({ transport }: { transport?: string }) => (transport === "websocket" ? () => ({ openSocket }) : undefined),
}));

const url = "https://presence.example.com";
let service: Service;
let watched: RosterWatch | undefined;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
});

afterEach(() => {
  watched?.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

function entry(identity: string, more: Partial<RosterEntry> = {}): RosterEntry {
  return {
    identity,
    role: "viewer",
    canSpeak: false,
    canVideo: false,
    invited: true,
    invitedAt: "2026-11-30T10:00:00Z",
    status: "INVITED",
    joinedAt: null,
    leftAt: null,
    version: "1",
    ...more,
  };
}

function watching(more: Partial<RosterOptions> = {}) {
  return (watched = watchRoster({ url, room: "stage", ...more }));
}

const identities = ({ entries }: RosterSnapshot) => entries.map(({ identity }) => identity);

for (const transport of ["sse", "websocket"] as const) {
  it(`shows a roster and its changes (${transport})`, async () => {
    service.changeRoster("stage", [entry("alice"), entry("carol")]);
    const watch = watching({ transport });
    expect(watch.snapshot()).toMatchObject({ status: "connecting", entries: [], onlineCount: null, totalCount: null });
    await pass(100);
    expect(watch.snapshot()).toMatchObject({ status: "live", onlineCount: 0, totalCount: 2 });
    const [alice, carol] = watch.snapshot().entries;
    service.changeRoster("stage", [entry("alice"), entry("bob", { status: "JOINED" }), entry("carol")]);
    await pass(50);
    expect(watch.snapshot()).toMatchObject({ onlineCount: 1, totalCount: 3 });
    expect(identities(watch.snapshot())).toEqual(["alice", "bob", "carol"]);
    expect(watch.snapshot().entries[0], "who did not change is the same object").toBe(alice);
    expect(watch.snapshot().entries[2]).toBe(carol);
    service.changeRoster("stage", [entry("bob", { status: "LEFT" })]);
    await pass(50);
    expect(watch.snapshot().entries).toEqual([entry("bob", { status: "LEFT" })]);
    expect(service.opened).toBe(1);
  });
}

it("calls `onUpdate` with each snapshot, and an error of it harms nobody", async () => {
  vi.spyOn(console, "error").mockImplementation(() => {});
  const seen: string[] = [];
  const onUpdate = (snapshot: RosterSnapshot) => {
    seen.push(`${snapshot.status} ${snapshot.totalCount}`);
    throw new Error("of the page");
  };
  const watch = watching({ onUpdate });
  await pass(100);
  service.changeRoster("stage", [entry("alice")]);
  await pass(50);
  expect(seen).toEqual(["connecting 0", "live 0", "live 1"]);
  expect(identities(watch.snapshot())).toEqual(["alice"]);
});

it("reads it again after a gap, and after a reconnect", async () => {
  service.changeRoster("stage", [entry("alice")]);
  const watch = watching();
  await pass(100);
  const [stream] = service.sources;
  service.rosters!.set("stage", { version: 900, entries: [entry("bob")], onlineCount: 0, totalCount: 1 });
  stream!.send("roster:update", {
    ...{ room: "stage", prev: 800, version: 900, onlineCount: 0, totalCount: 1 },
    changed: [entry("bob")],
    removed: [],
  });
  expect(identities(watch.snapshot()), "a change of what is not known is not applied").toEqual(["alice"]);
  await pass(2_000);
  expect(identities(watch.snapshot())).toEqual(["bob"]);
  service.stop();
  await pass(1_000);
  expect(identities(watch.snapshot()), "what was known stays").toEqual(["bob"]);
  service.isUp = true;
  service.changeRoster("stage", [entry("dave")]);
  await pass(10_000);
  expect([watch.snapshot().status, identities(watch.snapshot())]).toEqual(["live", ["dave"]]);
});

it("polls, page by page, where no stream gets through", async () => {
  service.streams = "off";
  service.changeRoster("stage", [entry("a"), entry("b"), entry("c"), entry("d"), entry("e")]);
  const watch = watching({ token: "secret" });
  await pass(500);
  expect([watch.snapshot().status, watch.snapshot().totalCount]).toEqual(["polling", 5]);
  expect(identities(watch.snapshot())).toEqual(["a", "b", "c", "d", "e"]);
  expect(service.requests.every(({ headers }) => headers["Authorization"] === "Bearer secret")).toBe(true);
  service.changeRoster("stage", []);
  await pass(6_000);
  expect(watch.snapshot().entries).toEqual([]);
});

for (const transport of ["sse", "websocket"] as const) {
  it(`where the service keeps no roster it says so, and does not ask again and again (${transport})`, async () => {
    service.rosters = null;
    const watch = watching({ transport });
    await pass(1_000);
    const { status, error } = watch.snapshot();
    expect([status, error!.status]).toEqual(["error", 404]);
    expect(error!.message).toContain("there is no roster here");
    const before = [service.requests.length, service.opened];
    await pass(300_000);
    expect([service.requests.length, service.opened]).toEqual(before);
    service.rosters = new Map();
    watch.reconnect();
    await pass(100);
    expect(watch.snapshot()).toMatchObject({ status: "live", error: null, totalCount: 0 });
  });
}

it("a refusal is the connection's: a new token is asked for, and then it gives up", async () => {
  service.tokens = new Set(["good"]);
  const tokens = ["bad", "good"];
  const watch = watching({ token: () => tokens.shift()! });
  await pass(1_000);
  expect(watch.snapshot().status).toBe("live");
  watch.close();
  const refused = watching({ token: "bad" });
  await pass(1_000);
  expect(refused.snapshot()).toMatchObject({ status: "error", error: { status: 401, message: "show a token" } });
});

it("is closed for good", async () => {
  const watch = watching();
  await pass(100);
  watch.close();
  expect([watch.snapshot().status, service.openStreams, service.listeners]).toEqual(["closed", 0, 0]);
});
