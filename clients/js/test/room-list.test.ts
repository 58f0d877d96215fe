import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { openSocket } from "../src/connection/websocket.js";
import { watchRoomList } from "../src/index.js";
import type { RoomListSnapshot, Status, Watch } from "../src/types.js";
import { HEARTBEAT, RETRY, Service, person } from "./service.js";

// Loading a module does not follow the simulated time.
vi.mock("../src/watch.js", async (load) => ({
  ...(await load<typeof import("../src/watch.js")>()),
  socketOf: ({ transport }: { transport?: string }) => (transport === "websocket" ? () => ({ openSocket }) : undefined),
}));

const url = "https://presence.example.com";
const [alice, bob, carol] = [person("alice"), person("bob", { isPublisher: true }), person("carol")];
let service: Service;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
  service.change("general", [alice]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);
const names = (list: Watch<RoomListSnapshot>) => list.snapshot().rooms?.map(({ name }) => name);

function statusesOf(list: Watch<RoomListSnapshot>): Status[] {
  const statuses = [list.snapshot().status];
  list.subscribe(() => list.snapshot().status !== statuses.at(-1) && statuses.push(list.snapshot().status));
  return statuses;
}

it("is streamed, and nothing is polled", async () => {
  const list = watchRoomList({ url });
  const statuses = statusesOf(list);
  await pass(50);
  const general = {
    name: "general",
    numParticipants: 1,
    people: 1,
    agents: 0,
    publishers: 0,
    exact: true,
    startedAt: 1_000,
  };
  expect(list.snapshot()).toMatchObject({ status: "live", rooms: [general] });
  service.change("aside", [carol]);
  service.change("general", [alice, bob]);
  expect(names(list)).toEqual(["aside", "general"]);
  expect(list.snapshot().rooms![1]).toEqual({ ...general, numParticipants: 2, people: 2, publishers: 1 });
  await pass(600_000);
  expect([service.requests.length, service.opened]).toEqual([0, 1]);
  expect([...service.sources][0]!.address.pathname).toBe("/api/livekit/rooms/stream");
  expect(statuses).toEqual(["connecting", "live"]);
});

it("is the same object until a room changes, and so is a room that does not", async () => {
  service.change("music", [carol]);
  const list = watchRoomList({ url });
  await pass(50);
  const first = list.snapshot();
  expect(Object.isFrozen(first.rooms)).toBe(true);
  await pass(2 * HEARTBEAT);
  service.change("general", [{ ...alice, name: "Alice" }]);
  // The second stream sends the whole list again.
  service.breakStreams();
  await pass(RETRY + 50);
  expect(list.snapshot().rooms).toBe(first.rooms);
  service.change("general", [alice, bob]);
  expect(list.snapshot().rooms).not.toBe(first.rooms);
  expect(list.snapshot().rooms![1]).toBe(first.rooms![1]);
});

it("loses the rooms that are gone", async () => {
  service.change("music", [carol]);
  const list = watchRoomList({ url });
  await pass(50);
  service.rooms.delete("general");
  service.change("music", []);
  expect(names(list)).toEqual(["music"]);
});

it("has only the rooms of a prefix, also when it is polled", async () => {
  service.change("team-a", [carol]);
  const list = watchRoomList({ url, prefix: "team-" });
  await pass(50);
  service.change("other", [bob]);
  service.change("team-b", [bob]);
  expect(names(list)).toEqual(["team-a", "team-b"]);
  service.streams = "refused";
  list.reconnect();
  await pass(100);
  service.change("team-c", []);
  await pass(6_000);
  expect(names(list)).toEqual(["team-a", "team-b", "team-c"]);
  expect(list.snapshot().status).toBe("polling");
});

it("is read again when a change is missing", async () => {
  const list = watchRoomList({ url });
  await pass(50);
  const [stream] = service.sources;
  const lost = vi.spyOn(stream!, "send").mockImplementation(() => {});
  service.change("lost", [bob]);
  lost.mockRestore();
  service.change("music", [carol]);
  expect(names(list)).toEqual(["general"]);
  await pass(1_100);
  expect(names(list)).toEqual(["general", "lost", "music"]);
  expect([list.snapshot().status, service.opened]).toEqual(["live", 2]);
});

it("is polled where streams do not get through, until one does", async () => {
  service.streams = "hanging";
  const list = watchRoomList({ url });
  const statuses = statusesOf(list);
  await pass(10_100);
  expect([list.snapshot().status, names(list)]).toEqual(["polling", ["general"]]);
  service.change("music", [carol]);
  await pass(6_000);
  expect(names(list)).toEqual(["general", "music"]);
  service.streams = "on";
  await pass(60_000);
  expect(statuses).toEqual(["connecting", "polling", "live"]);
  const before = service.requests.length;
  await pass(600_000);
  expect(service.requests.length).toBe(before);
});

it("is polled without EventSource, and stays the same object until it changes", async () => {
  vi.stubGlobal("EventSource", undefined);
  const list = watchRoomList({ url });
  await pass(50);
  const first = list.snapshot();
  expect(first).toMatchObject({ status: "polling", rooms: [{ name: "general" }] });
  await pass(60_000);
  expect(list.snapshot()).toBe(first);
  expect(service.requests.length).toBeGreaterThan(5);
  service.change("music", [carol]);
  await pass(15_100);
  expect(names(list)).toEqual(["general", "music"]);
  expect(service.opened).toBe(0);
});

it("stays what it is while tokens are renewed", async () => {
  const token = () =>
    ["{}", JSON.stringify({ exp: Date.now() / 1_000 + 60 }), "signed"].map((part) => btoa(part)).join(".");
  const list = watchRoomList({ url, token });
  const statuses = statusesOf(list);
  await pass(600_000);
  expect(statuses).toEqual(["connecting", "live"]);
  expect(service.opened).toBeGreaterThan(9);
});

it("says what is wrong, and goes on when that is over", async () => {
  const list = watchRoomList({ url });
  await pass(50);
  service.stop();
  await pass(10_000);
  expect(list.snapshot()).toMatchObject({ status: "disconnected", error: { status: 0 }, rooms: [{ name: "general" }] });
  service.isUp = true;
  service.change("music", [carol]);
  await pass(30_000);
  expect(list.snapshot()).toMatchObject({ status: "live", error: null });
  expect(names(list)).toEqual(["general", "music"]);
});

it("shows what is polled after a stream was lost, even if the list is as it was when it was polled before", async () => {
  service.streams = "refused";
  const list = watchRoomList({ url });
  await pass(100);
  expect([list.snapshot().status, names(list)]).toEqual(["polling", ["general"]]);
  service.streams = "on";
  await pass(30_000);
  service.change("brief", [carol]);
  expect([list.snapshot().status, names(list)]).toEqual(["live", ["brief", "general"]]);
  service.streams = "refused";
  service.isReachable = false;
  service.breakStreams();
  service.rooms.delete("brief");
  service.isReachable = true;
  await pass(10_000);
  expect([list.snapshot().status, names(list)]).toEqual(["polling", ["general"]]);
});

it("comes by WebSocket if asked for", async () => {
  const list = watchRoomList({ url, transport: "websocket" });
  await pass(100);
  service.change("music", [carol]);
  expect(names(list)).toEqual(["general", "music"]);
  const [socket] = service.sockets;
  expect(`${socket!.address}`).toBe("wss://presence.example.com/api/livekit/rooms/ws?all=true");
});

it("keeps the service's order of names, that of their bytes", async () => {
  const list = watchRoomList({ url });
  await pass(50);
  const [stream] = service.sources;
  const rooms = ["😀", "\uff5e", "ä", "ab", "a", "B"].map((name) => ({ ...service.listing()[0]!, name }));
  stream!.send("rooms:delta", { prev: 1, version: 2, changed: rooms, gone: ["general"] });
  expect(names(list)).toEqual(["B", "a", "ab", "ä", "\uff5e", "😀"]);
});
