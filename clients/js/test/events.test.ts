import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { watchEvents } from "../src/index.js";
import type { PresenceEvent, Status } from "../src/types.js";
import { RETRY, Service } from "./service.js";

const url = "https://presence.example.com";
let service: Service;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

/** Watches the events, and notes them, the gaps and each status. */
function watched(more: Partial<Parameters<typeof watchEvents>[0]> = {}) {
  const seen: string[] = [];
  const onEvent = ({ id }: PresenceEvent) => void seen.push(id);
  const watch = watchEvents({ url, onEvent, onGap: () => seen.push("gap"), ...more });
  const statuses: Status[] = [watch.snapshot().status];
  watch.subscribe(() => watch.snapshot().status !== statuses.at(-1) && statuses.push(watch.snapshot().status));
  return { watch, seen, statuses };
}

it("tells each event as it happens, and nothing of the service's own", async () => {
  const onEvent = vi.fn();
  const { watch, statuses } = watched({ onEvent });
  await pass(50);
  expect(watch.snapshot()).toEqual({ status: "live", error: null, lastEventAt: null });
  const first = service.happen("room_started", "general", { room: { name: "general" } });
  await pass(1_000);
  const second = service.happen("egress_started", null);
  expect(onEvent.mock.calls).toEqual([[first], [second]]);
  expect(watch.snapshot().lastEventAt).toBe(Date.now());
  expect(statuses).toEqual(["connecting", "live"]);
});

it("asks only for what the filter says", async () => {
  const { seen } = watched({ filter: { events: ["room_started", "room_finished"], rooms: ["a b", "c"], prefix: "a" } });
  await pass(50);
  const [stream] = service.sources;
  expect(stream!.address.search).toBe("?event=room_started&event=room_finished&room=a+b&room=c&prefix=a");
  service.happen("room_started", "c");
  service.happen("participant_joined", "a b");
  service.happen("room_started", "a b");
  expect(seen).toEqual(["EV_3"]);
});

it.each([
  "the browser reconnects",
  "`reconnect` is called",
  "the page was hidden",
  "the token is renewed",
  "it was quiet",
])("misses nothing and repeats nothing when %s", async (why) => {
  service.happen("room_started", "before");
  const token = () => [1, 2, 3].map(() => btoa(JSON.stringify({ exp: Date.now() / 1_000 + 100 }))).join(".");
  const { watch, seen, statuses } = watched(why.includes("token") ? { token } : {});
  await pass(50);
  // Nothing has happened since it connected: its position is that of `connected`.
  if (why.startsWith("the browser")) service.breakStreams();
  else if (why.startsWith("`reconnect`")) service.isReachable = false;
  else if (why.startsWith("the page")) service.hide(true);
  await pass(why.startsWith("the page") ? 61_000 : 10);
  service.happen("room_started", "meanwhile");
  service.isReachable = true;
  if (why.startsWith("`reconnect`")) watch.reconnect();
  if (why.startsWith("the page")) service.hide(false);
  await pass(why.startsWith("the token") ? 91_000 : why.startsWith("it was") ? 61_000 : RETRY + 100);
  service.happen("room_started", "after");
  expect(seen).toEqual(["EV_2", "EV_3"]);
  // When the page was hidden or the token was renewed, it was quiet for a minute, too.
  expect([service.opened, service.openStreams]).toEqual([/page was|token/.test(why) ? 3 : 2, 1]);
  if (/token|quiet/.test(why)) expect(statuses).toEqual(["connecting", "live"]);
  expect(service.requests).toEqual([]);
  watch.close();
});

it("tells a gap where the service no longer has what was missed", async () => {
  service.happen("room_started", "a");
  const { seen } = watched();
  await pass(50);
  service.happen("room_started", "b");
  service.stop();
  service.log = [];
  service.happen("room_started", "c");
  service.isUp = true;
  await pass(10_000);
  service.happen("room_started", "d");
  expect(seen).toEqual(["EV_2", "gap", "EV_2"]);
});

it("tells one gap at most where more happens in a minute of silence than the service keeps", async () => {
  service.happen("room_started", "busy");
  const { watch, seen, statuses } = watched({ filter: { rooms: ["quiet"] } });
  await pass(50);
  for (let minute = 0; minute < 10; minute += 1) {
    for (let number = 0; number < 20; number += 1) service.happen("room_started", "busy");
    service.log = service.log.slice(-10);
    await pass(60_100);
  }
  expect([seen, service.opened]).toEqual([["gap"], 2]);
  const { id } = service.happen("room_started", "quiet");
  expect(seen).toEqual(["gap", id]);
  expect(statuses).toEqual(["connecting", "live"]);
  watch.close();
});

it("goes on when the page's handler fails", async () => {
  const complained = vi.spyOn(console, "error").mockImplementation(() => {});
  const onEvent = vi.fn(() => {
    throw new Error("of the page");
  });
  const { watch } = watched({ onEvent });
  await pass(50);
  service.happen("room_started", "a");
  service.happen("room_started", "b");
  expect([onEvent.mock.calls.length, complained.mock.calls.length]).toEqual([2, 2]);
  expect(watch.snapshot().status).toBe("live");
});

it("says why it is refused, and does not come back by itself", async () => {
  service.tokens = new Set(["good"]);
  const { watch } = watched({ token: "bad" });
  await pass(200);
  expect(watch.snapshot()).toMatchObject({ status: "error", error: { status: 401, message: "show a token" } });
  const before = service.requests.length;
  await pass(600_000);
  expect([service.requests.length, service.opened]).toEqual([before, 0]);
});

it("says when streams do not get through, and is never polled", async () => {
  service.streams = "hanging";
  const { watch } = watched();
  await pass(30_000);
  expect(watch.snapshot()).toMatchObject({ status: "disconnected", error: { status: 0 } });
  expect(watch.snapshot().error!.message).toContain("a proxy may hold it back");
  service.streams = "on";
  await pass(60_000);
  expect(watch.snapshot().status).toBe("live");
});

it("ends with `close`, and leaves nothing behind", async () => {
  const { watch, seen } = watched();
  await pass(50);
  watch.close();
  service.happen("room_started", "a");
  await pass(600_000);
  expect(seen).toEqual([]);
  expect([watch.snapshot().status, service.openStreams, service.listeners]).toEqual(["closed", 0, 0]);
});
