// Whatever happens to the network, the service and the page: once all is well and quiet, what is shown is what the service has.
// CASES=… plays more; SEED=… plays one again.

import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { watchRoom, watchRooms } from "../src/index.js";
import { Service, person } from "./service.js";
import { shareAmongTabs } from "./tabs.js";

const CASES = Number(process.env["CASES"] ?? 300);
const FIRST = Number(process.env["SEED"] ?? 1);
const STEPS = 40;
/** Three heartbeats, the longest time for an answer, the longest backoff, and some. */
const QUIET = 110_000;
const ROOMS = ["general", "music", "late night"];
const PEOPLE = ["alice", "bob", "carol", "dave"];

beforeEach(() => void vi.useFakeTimers());

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** mulberry32: numbers from 0 to 1 that a seed gives. */
function numbersFrom(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What can happen, by name, so that a failure tells its story. */
function deeds(service: Service, random: () => number): Record<string, () => void> {
  const oneOf = <Item>(items: readonly Item[]) => items[Math.floor(random() * items.length)]!;
  const change = () => {
    const inside = PEOPLE.filter(() => random() < 0.5);
    service.change(
      oneOf(ROOMS),
      inside.map((name, index) => person(name, { joinedAt: index, name: oneOf([name, "other"]) })),
    );
  };
  return {
    change,
    "some changes": () => [1, 2, 3].forEach(change),
    changes: change,
    "streams break": () => service.breakStreams(),
    "service stops": () => service.stop(),
    "service starts": () => void (service.isUp = true),
    "service forgets": () => {
      service.rooms.clear();
      service.behind.clear();
      service.stop();
      service.isUp = true;
    },
    "streams on": () => void (service.streams = "on"),
    "streams off": () => {
      service.streams = "off";
      service.breakStreams();
    },
    "too many": () => {
      service.refusal = { status: 429, retryAfter: 5 };
      service.streams = "refused";
    },
    "not too many": () => {
      service.refusal = null;
      service.streams = "on";
    },
    silence: () => void (service.isSilent = true),
    sound: () => void (service.isSilent = false),
    offline: () => {
      service.isReachable = false;
      service.breakStreams();
      if (random() < 0.7) service.emit("offline");
    },
    online: () => {
      service.isReachable = true;
      if (random() < 0.7) service.emit("online");
    },
    hidden: () => service.hide(true),
    shown: () => service.hide(false),
    "page goes": () => service.emit("pagehide"),
    "page comes back": () => service.emit("pageshow"),
    "token is refused": () => void service.tokens?.clear(),
  };
}

it.each(Array.from({ length: CASES }, (_, index) => FIRST + index))("seed %i", async (seed) => {
  const random = numbersFrom(seed);
  vi.spyOn(Math, "random").mockImplementation(random);
  if (random() < 0.4) shareAmongTabs().isDenied = random() < 0.3;
  const service = new Service();
  service.tokens = random() < 0.5 ? new Set() : null;
  if (random() < 0.1) vi.stubGlobal("EventSource", undefined);
  let given = 0;
  const token = async () => {
    const fresh = `token ${(given += 1)}`;
    service.tokens?.add(fresh);
    return fresh;
  };
  const story: string[] = [];
  const one = watchRoom({ url: "https://presence.example.com", room: "general", token });
  const many = watchRooms({ url: "https://presence.example.com", rooms: ROOMS, token });
  const versions = new Map<string, number>();
  const fallen: string[] = [];
  many.subscribe(() => {
    for (const [room, { version }] of many.snapshot().rooms) {
      const before = versions.get(room) ?? 0;
      if (version !== 0 && version < before)
        fallen.push(`${room} from ${before} to ${version} after ${story.join(", ")}`);
      versions.set(room, version);
    }
  });

  const possible = deeds(service, random);
  for (let step = 0; step < STEPS; step++) {
    const names = Object.keys(possible);
    const name = names[Math.floor(random() * names.length)]!;
    story.push(name);
    possible[name]!();
    await vi.advanceTimersByTimeAsync(random() < 0.2 ? random() * 70_000 : random() * 3_000);
    expect(service.openStreams, story.join(", ")).toBeLessThanOrEqual(2);
  }

  Object.assign(service, { isUp: true, isReachable: true, isSilent: false, refusal: null, streams: "on" });
  service.hide(false);
  service.emit("pageshow");
  await vi.advanceTimersByTimeAsync(QUIET);
  expect(fallen).toEqual([]);
  const live = typeof EventSource === "undefined" ? "polling" : "live";
  const { participants, status, error } = one.snapshot();
  const expected = ROOMS.map((room) => service.stateOf(room));
  expect({ participants, status, error }, story.join(", ")).toEqual({
    participants: expected[0]!.participants,
    status: live,
    error: null,
  });
  expect(many.snapshot().status, story.join(", ")).toBe(live);
  expect(
    ROOMS.map((room) => many.snapshot().rooms.get(room)),
    story.join(", "),
  ).toEqual(expected);
  one.close();
  many.close();
  await vi.advanceTimersByTimeAsync(100);
  expect([service.openStreams, service.listeners]).toEqual([0, 0]);
});
