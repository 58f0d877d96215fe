import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { watchRoom, watchRooms } from "../src/index.js";
import { RETRY, Service, person } from "./service.js";
import { shareAmongTabs } from "./tabs.js";

const url = "https://presence.example.com";
const [alice, bob] = [person("alice"), person("bob", { isPublisher: true })];
const agent = person("helper", { kind: "AGENT" });
const NONE = { people: 0, agents: 0, publishers: 0 };
let service: Service;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
  service.change("general", [alice, agent]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

it("of a room are shown, and what changes in them", async () => {
  const room = watchRoom({ url, room: "general", view: "count" });
  expect(room.snapshot()).toEqual({
    counts: null,
    version: null,
    status: "connecting",
    error: null,
    lastEventAt: null,
  });
  await pass(50);
  const { version } = service.stateOf("general");
  expect(room.snapshot()).toMatchObject({ counts: { people: 1, agents: 1, publishers: 0 }, version, status: "live" });
  expect(room.snapshot()).not.toHaveProperty("participants");
  service.change("general", [alice, bob]);
  expect(room.snapshot().counts).toEqual({ people: 2, agents: 0, publishers: 1 });
  expect(service.requests).toEqual([]);
});

it("cause no change when the service sends the same numbers again", async () => {
  const room = watchRoom({ url, room: "general", view: "count" });
  await pass(50);
  const first = room.snapshot();
  const told = vi.fn();
  room.subscribe(told);
  service.change("general", [{ ...alice, name: "Alice" }, agent]);
  room.reconnect();
  await pass(100);
  const statuses = told.mock.calls.length;
  expect(room.snapshot().counts).toBe(first.counts);
  // Only the status has changed, for `reconnect`.
  expect(statuses).toBe(2);
  // And the service is not told of a version: it sends the numbers that it has.
  for (const { address } of service.sources) expect(address.search).toBe("?room=general&view=count");
});

it("are those of an instance that is behind, because it sends nothing more while they stay the same", async () => {
  const room = watchRoom({ url, room: "general", view: "count" });
  await pass(50);
  service.change("general", [alice, bob]);
  service.rooms.set("general", { version: 50, participants: [alice] });
  service.breakStreams();
  await pass(RETRY + 50);
  expect(room.snapshot().counts).toEqual({ people: 1, agents: 0, publishers: 0 });
});

it("of many rooms are on one stream", async () => {
  service.change("music", [bob]);
  const rooms = watchRooms({ url, rooms: ["general", "music", "empty"], view: "count" });
  await pass(50);
  const first = rooms.snapshot();
  expect(first.rooms.get("general")!.counts).toEqual({ people: 1, agents: 1, publishers: 0 });
  expect(first.rooms.get("music")!.counts).toEqual({ people: 1, agents: 0, publishers: 1 });
  expect(first.rooms.get("empty")!.counts).toEqual(NONE);
  service.change("general", [bob]);
  expect(rooms.snapshot().rooms.get("general")!.counts).toEqual({ people: 1, agents: 0, publishers: 1 });
  expect(rooms.snapshot().rooms.get("music")).toBe(first.rooms.get("music"));
  expect(service.opened).toBe(1);
});

it("are polled where there are no streams", async () => {
  vi.stubGlobal("EventSource", undefined);
  const one = watchRoom({ url, room: "general", view: "count" });
  const many = watchRooms({ url, rooms: ["general", "music"], view: "count" });
  await pass(50);
  expect(one.snapshot()).toMatchObject({ status: "polling", counts: { people: 1, agents: 1, publishers: 0 } });
  expect(many.snapshot().rooms.get("music")!.counts).toEqual(NONE);
  const before = one.snapshot();
  await pass(30_000);
  expect(one.snapshot()).toBe(before);
  service.change("general", [alice]);
  await pass(15_100);
  expect(one.snapshot().counts).toEqual({ people: 1, agents: 0, publishers: 0 });
});

it("are shared by tabs, apart from lists", async () => {
  shareAmongTabs();
  const counts = [1, 2].map(() => watchRoom({ url, room: "general", view: "count" }));
  const list = watchRoom({ url, room: "general" });
  await pass(100);
  expect([...service.sources].map(({ address }) => address.searchParams.get("view"))).toEqual(["count", null]);
  service.change("general", [alice]);
  await pass(100);
  for (const one of counts) {
    expect(one.snapshot()).toMatchObject({ status: "live", counts: { people: 1, agents: 0, publishers: 0 } });
  }
  expect(list.snapshot()).toMatchObject({ status: "live", participants: [alice] });
  for (const one of [...counts, list]) one.close();
});
