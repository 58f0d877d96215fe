import { derived, fromStore, get } from "svelte/store";
import { expect, it, vi } from "vitest";

import { events, participants, roomCount, rooms } from "../../src/svelte/index.js";
import { pass, service, url, withService, watched } from "../adapter.js";
import { person } from "../service.js";

withService();

const options = { url, share: false } as const;
/** In milliseconds. */
const LINGER = 1_000;

it("shows a room, and each change of it", async () => {
  service.change("general", [person("anouk")]);
  const names = derived(participants("general", options), ({ status, participants }) => [
    status,
    ...participants.map(({ identity }) => identity),
  ]);
  const seen: string[] = [];
  const end = names.subscribe((names) => seen.push(names.join()));
  await pass(50);
  service.change("general", [person("anouk"), person("ben")]);
  expect(seen).toEqual(["connecting", "connecting,anouk", "live,anouk", "live,anouk,ben"]);
  end();
  await pass(LINGER);
  expect(watched()).toEqual([]);
});

it("is one connection for all subscribers, until a moment after the last", async () => {
  service.change("general", [person("anouk")]);
  const general = participants("general", options);
  expect(service.opened).toBe(0);
  const ends = [general.subscribe(() => {}), general.subscribe(() => {})];
  await pass(50);
  ends[0]!();
  await pass(5_000);
  expect([service.opened, watched()]).toEqual([1, ["?room=general"]]);
  ends[1]!();
  await pass(LINGER / 2);
  // The next page of the app wants it, too.
  const end = general.subscribe(() => {});
  await pass(5_000);
  expect([service.opened, get(general).participants.length]).toEqual([1, 1]);
  end();
  end();
  await pass(LINGER);
  expect(watched()).toEqual([]);
  expect(get(general)).toMatchObject({ status: "connecting", participants: [] });
  await pass(LINGER);
  expect(watched()).toEqual([]);
});

it("is read by the runes of Svelte 5", async () => {
  service.change("general", [person("anouk")]);
  const room = fromStore(participants("general", options));
  expect(room.current).toMatchObject({ status: "connecting", participants: [] });
  await pass(LINGER);
  expect(watched()).toEqual([]);
});

it("shows numbers and the list of rooms, and tells of events", async () => {
  service.change("general", [person("anouk")]);
  service.change("team-a", [person("ben")]);
  const onEvent = vi.fn();
  const [count, teams, happening] = [
    roomCount("general", options),
    rooms({ url, prefix: "team-" }),
    events({ url, onEvent }),
  ];
  const ends = [count.subscribe(() => {}), teams.subscribe(() => {}), happening.subscribe(() => {})];
  await pass(50);
  service.happen("participant_joined", "general");
  expect(onEvent).toHaveBeenCalledOnce();
  expect(get(count).counts).toMatchObject({ people: 1 });
  expect(get(teams).rooms?.map(({ name }) => name)).toEqual(["team-a"]);
  for (const end of ends) end();
  await pass(LINGER);
  expect(watched()).toEqual([]);
});

it("connects again when it is told to", async () => {
  service.change("general", [person("anouk")]);
  const general = participants("general", options);
  const end = general.subscribe(() => {});
  await pass(50);
  general.reconnect();
  await pass(50);
  expect(service.opened).toBe(2);
  end();
  await pass(LINGER);
});

it("has the initial state on a server, and connects nothing", async () => {
  vi.stubGlobal("document", undefined);
  expect(get(participants("general", options))).toMatchObject({
    status: "connecting",
    participants: [],
    version: null,
  });
  await pass(5_000);
  expect([service.opened, service.requests.length]).toEqual([0, 0]);
});
