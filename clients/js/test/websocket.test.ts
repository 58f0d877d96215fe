import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { openSocket } from "../src/connection/websocket.js";
import { watchRoom, watchRooms } from "../src/index.js";
import type { RoomSnapshot, Status, Watch } from "../src/types.js";
import { Service, person } from "./service.js";
import type { FakeWebSocket } from "./streams.js";
import { shareAmongTabs } from "./tabs.js";

// Loading a module does not follow the simulated time.
vi.mock("../src/watch.js", async (load) => ({
  ...(await load<typeof import("../src/watch.js")>()),
  socketOf: ({ transport }: { transport?: string }) => (transport === "websocket" ? () => ({ openSocket }) : undefined),
}));

const url = "https://presence.example.com";
const transport = "websocket" as const;
const [alice, bob, carol] = [person("alice"), person("bob"), person("carol")];
let service: Service;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
  service.change("general", [alice]);
  service.change("music", [carol]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

function socket(): FakeWebSocket {
  expect(service.sockets.size).toBe(1);
  return [...service.sockets][0]!;
}

/** A token that is good for 100 seconds. */
function tokenOf(identity: string, id: string): string {
  const claims = { exp: Date.now() / 1_000 + 100, sub: identity, video: { roomList: true }, jti: id };
  return ["{}", JSON.stringify(claims), "signed"].map((part) => btoa(part)).join(".");
}

function statusesOf(watch: Watch<RoomSnapshot>): Status[] {
  const statuses = [watch.snapshot().status];
  watch.subscribe(() => watch.snapshot().status !== statuses.at(-1) && statuses.push(watch.snapshot().status));
  return statuses;
}

it("a room is shown, and what changes in it, without an EventSource", async () => {
  vi.stubGlobal("EventSource", undefined);
  const room = watchRoom({ url, room: "general", transport });
  await pass(100);
  service.change("general", [alice, bob]);
  expect(room.snapshot()).toMatchObject({ ...service.stateOf("general"), status: "live" });
  expect(`${socket().address}`).toBe("wss://presence.example.com/api/livekit/participants/ws?room=general");
  expect([service.opened, service.requests.length]).toEqual([1, 0]);
});

it("the address is that of the page's own origin if none is given", async () => {
  watchRoom({ room: "general", transport, url: "/presence" });
  await pass(100);
  expect(`${socket().address}`).toBe("wss://app.example.com/presence/api/livekit/participants/ws?room=general");
});

it("rooms are added and dropped on the open connection", async () => {
  const rooms = watchRooms({ url, rooms: ["general"], transport });
  await pass(100);
  rooms.setRooms(["music", "general"]);
  await pass(50);
  expect(rooms.snapshot()).toMatchObject({ status: "live" });
  expect([...rooms.snapshot().rooms.keys()]).toEqual(["general", "music"]);
  rooms.setRooms(["music"]);
  service.change("general", [bob]);
  service.change("music", [carol, bob]);
  expect([...rooms.snapshot().rooms]).toEqual([["music", service.stateOf("music")]]);
  expect(socket().received).toEqual([{ watch: ["music"] }, { unwatch: ["general"] }]);
  expect(service.opened).toBe(1);
});

it("what was under way of a room that is no longer watched is passed over", async () => {
  const rooms = watchRooms({ url, rooms: ["general", "music"], transport });
  await pass(100);
  const { version, participants } = service.stateOf("general");
  rooms.setRooms(["music"]);
  socket().send("room:delta", {
    room: "general",
    prev: version,
    version: version + 1,
    joined: [bob],
    updated: [],
    left: [],
  });
  socket().send("room:snapshot", { room: "general", version, participants });
  await pass(10_000);
  expect(rooms.snapshot().status).toBe("live");
  expect([...rooms.snapshot().rooms.keys()]).toEqual(["music"]);
  expect(service.opened).toBe(1);
});

it("more rooms than fit into one message open another connection", async () => {
  const rooms = watchRooms({ url, rooms: ["general"], transport });
  await pass(100);
  rooms.setRooms(Array.from({ length: 60 }, (_, index) => `${"w".repeat(90)} ${index}`));
  await pass(100);
  expect(rooms.snapshot()).toMatchObject({ status: "live", rooms: { size: 60 } });
  expect([service.opened, service.sockets.size]).toEqual([2, 1]);
});

it("the token is in the first message, and never in the address", async () => {
  service.tokens = new Set(["good"]);
  const room = watchRoom({ url, room: "general", transport, token: "good\n" });
  await pass(100);
  expect(room.snapshot().status).toBe("live");
  expect(`${socket().address}`).not.toContain("good");
  expect(socket().received).toEqual([{ token: "good" }]);
});

it("the next token is sent before the first expires, on the same connection", async () => {
  service.tokens = new Set();
  const token = vi.fn(() => {
    const fresh = tokenOf("alice", String(token.mock.calls.length));
    service.tokens!.add(fresh);
    return fresh;
  });
  const room = watchRoom({ url, room: "general", transport, token });
  const statuses = statusesOf(room);
  await pass(1_000_000);
  expect(socket().received.map(({ token }) => token)).toEqual(token.mock.results.map(({ value }) => value as string));
  expect(token.mock.calls.length).toBeGreaterThan(10);
  expect([statuses, service.opened]).toEqual([["connecting", "live"], 1]);
});

it("a token that is refused after a list was shown is an error, and not tried for ever", async () => {
  service.tokens = new Set(["good"]);
  let now = "good";
  const room = watchRoom({ url, room: "general", transport, token: () => now });
  await pass(100);
  now = "bad";
  room.reconnect();
  room.reconnect();
  const statuses = statusesOf(room);
  service.tokens.clear();
  service.breakStreams();
  await pass(600_000);
  expect(room.snapshot()).toMatchObject({ status: "error", participants: [alice], error: { status: 401 } });
  expect(statuses).not.toContain("live");
  expect(service.opened).toBeLessThan(6);
});

it("a service that closes before it takes the token is tried ever more seldom", async () => {
  service.tokens = new Set(["good"]);
  const room = watchRoom({ url, room: "general", transport, token: "good" });
  await pass(100);
  service.isBusy = true;
  room.reconnect();
  await pass(600_000);
  expect(service.opened).toBeLessThan(60);
  service.isBusy = false;
  await pass(31_000);
  expect(room.snapshot().status).toBe("live");
});

it("a connection that has nothing new to send is live once it takes the token, and keeps to its heartbeats", async () => {
  service.tokens = new Set(["good"]);
  const room = watchRoom({ url, room: "general", transport, token: "good" });
  await pass(100);
  room.reconnect();
  await pass(100);
  expect(socket().address.searchParams.get("last_event_id")).toBe(String(service.stateOf("general").version));
  expect(room.snapshot().status).toBe("live");
  await pass(600_000);
  expect(service.opened).toBe(2);
});

it("a tab's token of another identity opens another connection, and nobody sees an error", async () => {
  shareAmongTabs();
  service.tokens = new Set();
  const identities = ["alice", "bob"];
  const tabs = identities.map((identity, index) => {
    const token = () => {
      // The second tab asks for its own a little later.
      const fresh = tokenOf(identity, `${Date.now()} ${index}`);
      service.tokens!.add(fresh);
      return fresh;
    };
    return watchRoom({ url, room: "general", transport, token });
  });
  await pass(200);
  const statuses = tabs.map((tab) => statusesOf(tab));
  await pass(300_000);
  service.change("general", [alice, bob]);
  await pass(100);
  for (const tab of tabs) expect(tab.snapshot()).toMatchObject({ status: "live", participants: [alice, bob] });
  expect(statuses.flat()).not.toContain("error");
  // One for each 90 seconds at most, and one at first.
  expect([service.sockets.size, service.opened < 8]).toEqual([1, true]);
});

it("a refusal by its close code is an error that says why", async () => {
  service.tokens = new Set(["good"]);
  const room = watchRoom({ url, room: "general", transport, token: "bad" });
  await pass(100);
  expect(room.snapshot()).toMatchObject({ status: "error", error: { status: 401, message: "show a token" } });
  await pass(600_000);
  expect([service.opened, service.requests.length]).toEqual([1, 0]);
});

it.each([
  [4403, "error", 403],
  [4400, "error", 400],
  [4503, "disconnected", 503],
  [4429, "disconnected", 429],
])("closing with %i makes it `%s`", async (code, status, httpStatus) => {
  const room = watchRoom({ url, room: "general", transport });
  await pass(100);
  socket().close(code, "because");
  expect(room.snapshot()).toMatchObject({ status, error: { status: httpStatus, message: "because" } });
  await pass(10_000);
  expect(service.opened).toBe(status === "error" ? 1 : 2);
});

it("a connection that was replaced does not come back by itself", async () => {
  const room = watchRoom({ url, room: "general", transport });
  await pass(100);
  socket().close(4429, "replaced");
  await pass(600_000);
  expect(room.snapshot()).toMatchObject({ status: "error", error: { status: 429 } });
  expect(service.opened).toBe(1);
});

it("a connection that breaks is opened again after a random delay, with the rooms of now", async () => {
  const rooms = watchRooms({ url, rooms: ["general"], transport });
  await pass(100);
  rooms.setRooms(["general", "music"]);
  service.breakStreams();
  expect(rooms.snapshot().status).toBe("connecting");
  service.change("music", [bob]);
  await pass(1_400);
  expect(service.opened).toBe(1);
  await pass(1_000);
  expect(rooms.snapshot()).toMatchObject({ status: "live" });
  expect(rooms.snapshot().rooms.get("music")!.participants).toEqual([bob]);
  expect(service.opened).toBe(2);
});

it("where WebSockets do not get through, the list is polled until one does", async () => {
  service.streams = "off";
  const room = watchRoom({ url, room: "general", transport });
  const statuses = statusesOf(room);
  await pass(100);
  expect(room.snapshot()).toMatchObject({ status: "polling", participants: [alice] });
  service.streams = "on";
  await pass(30_000);
  expect(statuses).toEqual(["connecting", "polling", "live"]);
});

it("counts come by it, too", async () => {
  const rooms = watchRooms({ url, rooms: ["general", "music"], view: "count", transport });
  await pass(100);
  service.change("music", []);
  expect(rooms.snapshot().rooms.get("general")!.counts).toEqual({ people: 1, agents: 0, publishers: 0 });
  expect(rooms.snapshot().rooms.get("music")!.counts).toEqual({ people: 0, agents: 0, publishers: 0 });
});

it("tabs share one, apart from streams of server-sent events", async () => {
  shareAmongTabs();
  const tabs = [watchRoom({ url, room: "general", transport }), watchRoom({ url, room: "music", transport })];
  const other = watchRoom({ url, room: "general" });
  await pass(100);
  await pass(100);
  for (const one of [...tabs, other]) expect(one.snapshot().status).toBe("live");
  expect([service.sockets.size, service.openStreams]).toEqual([1, 1]);
  for (const one of [...tabs, other]) one.close();
  await pass(100);
  expect([service.sockets.size, service.openStreams]).toEqual([0, 0]);
});

it("a message that the service refuses is an error that says why", async () => {
  const rooms = watchRooms({ url, rooms: ["general"], transport });
  await pass(100);
  socket().send("error", { status: 403, detail: "this token does not read the room" });
  expect(rooms.snapshot()).toMatchObject({
    status: "error",
    error: { status: 403, message: "this token does not read the room" },
  });
});

it("a room is not sent again, nor shown older, when its connection is opened again", async () => {
  const room = watchRoom({ url, room: "general", transport });
  await pass(100);
  room.reconnect();
  await pass(100);
  expect(socket().address.searchParams.get("last_event_id")).toBe(String(service.stateOf("general").version));
  expect(room.snapshot()).toMatchObject({ status: "live", participants: [alice] });
});

it("ends with `close`, and leaves nothing behind", async () => {
  const room = watchRoom({ url, room: "general", transport });
  await pass(100);
  room.close();
  await pass(600_000);
  expect([room.snapshot().status, service.sockets.size, service.opened, service.listeners]).toEqual([
    "closed",
    0,
    1,
    0,
  ]);
});
