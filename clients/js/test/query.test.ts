import { QueryClient, QueryObserver } from "@tanstack/query-core";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { connectQueries, type QueriesOptions } from "../src/query/index.js";
import type { Participant } from "../src/types.js";
import { Service, person } from "./service.js";

const url = "https://presence.example.com";
const [alice, bob] = [person("alice"), person("bob", { joinedAt: 2_000 })];
const microphone = { sid: "TR_1", source: "MICROPHONE", type: "AUDIO", muted: false, name: "" };
let service: Service;
let client: QueryClient;
let fetched: string[];

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  service = new Service();
  client = new QueryClient();
  client.mount();
});

afterEach(() => {
  client.clear();
  client.unmount();
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);

/** Connects the queries of two rooms, which are all shown, and notes which are fetched again. */
async function connected(more: Partial<QueriesOptions> = {}) {
  const keys = [["rooms"], ["rooms", "a"], ["rooms", "b"], ["participants", "a"], ["participants", "b"], ["others"]];
  for (const queryKey of keys) {
    const queryFn = () => {
      fetched.push(queryKey.join(" "));
      return queryKey[0] === "participants" ? [alice] : queryKey;
    };
    new QueryObserver(client, { queryKey, queryFn, staleTime: Infinity }).subscribe(() => {});
  }
  fetched = [];
  const watch = connectQueries(client, { url, ...more });
  await pass(100);
  fetched = [];
  return watch;
}

const list = (room: string) => client.getQueryData<Participant[]>(["participants", room]);

it("fetches again what an event of a room is about, and nothing else", async () => {
  await connected();
  service.happen("participant_joined", "a", { room: { name: "a" }, participant: bob });
  await pass(200);
  expect(fetched.sort()).toEqual(["participants a", "rooms", "rooms a"]);
  service.happen("egress_started", null);
  await pass(200);
  expect(fetched.length).toBe(3);
});

it("fetches once for all that happens within a moment", async () => {
  await connected();
  for (let number = 0; number < 100; number += 1) service.happen("participant_joined", number % 2 ? "a" : "b");
  await pass(200);
  expect(fetched.sort()).toEqual(["participants a", "participants b", "rooms", "rooms a", "rooms b"]);
});

it("fetches all of them again after a gap", async () => {
  await connected();
  service.happen("room_started", "a");
  await pass(200);
  fetched = [];
  service.stop();
  service.log = [];
  service.isUp = true;
  await pass(10_000);
  expect(fetched.sort()).toEqual(["participants a", "participants b", "rooms", "rooms a", "rooms b"]);
});

it("with `write`, joins, leaves and tracks are written, and only the rooms are fetched again", async () => {
  await connected({ mode: "write" });
  service.happen("participant_joined", "a", { participant: bob });
  expect(list("a")).toEqual([alice, bob]);
  service.happen("track_published", "a", { participant: bob, track: microphone });
  expect(list("a")![1]).toEqual({ ...bob, isPublisher: true, tracks: [microphone] });
  service.happen("track_unpublished", "a", { participant: bob, track: microphone });
  expect(list("a")![1]).toEqual(bob);
  // Somebody else of the same identity replaces the first.
  const again = { ...alice, sid: "PA_again", joinedAt: 3_000 };
  service.happen("participant_left", "a", { participant: alice });
  service.happen("participant_joined", "a", { participant: again });
  service.happen("participant_left", "a", { participant: alice });
  expect(list("a")).toEqual([bob, again]);
  expect(list("b")).toEqual([alice]);
  await pass(200);
  expect(fetched.sort()).toEqual(["rooms", "rooms a"]);
});

it("with `write`, an answer from before the event does not replace what is written", async () => {
  await connected({ mode: "write" });
  const answers: ((people: Participant[]) => void)[] = [];
  const queryFn = () => new Promise<Participant[]>((resolve) => answers.push(resolve));
  void new QueryObserver(client, { queryKey: ["participants", "a"], queryFn }).refetch();
  service.happen("participant_joined", "a", { participant: bob });
  answers[0]!([alice]);
  await pass(50);
  expect(list("a")).toEqual([alice, bob]);
  fetched = [];
  await pass(200);
  // Whoever asked gets a newer answer.
  expect(answers.length + fetched.filter((key) => key === "participants a").length).toBe(2);
});

it("with `write`, what an event does not tell is fetched", async () => {
  await connected({ mode: "write" });
  service.happen("track_published", "a", { participant: bob, track: microphone });
  await pass(200);
  expect(fetched).toContain("participants a");
  client.setQueryData(["participants", "b"], { pages: [] });
  service.happen("participant_joined", "b", { participant: bob });
  await pass(200);
  expect(fetched).toContain("participants b");
});

it("closes its connection, and fetches nothing afterwards", async () => {
  const watch = await connected();
  service.happen("room_started", "a");
  watch.close();
  await pass(1_000);
  expect([fetched, service.openStreams, watch.snapshot().status]).toEqual([[], 0, "closed"]);
});
