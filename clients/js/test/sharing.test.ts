import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { watchRoom, watchRooms } from "../src/index.js";
import { RETRY, Service, person } from "./service.js";
import { shareAmongTabs } from "./tabs.js";

const url = "https://presence.example.com";
const [alice, bob] = [person("alice"), person("bob")];
let service: Service;
let locks: ReturnType<typeof shareAmongTabs>;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  locks = shareAmongTabs();
  service = new Service();
  service.change("general", [alice]);
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

const pass = (millis: number) => vi.advanceTimersByTimeAsync(millis);
const tokenOf = (claims: object) => ["{}", JSON.stringify(claims), "signed"].map((part) => btoa(part)).join(".");
const tab = (more: Partial<Parameters<typeof watchRoom>[0]> = {}) => watchRoom({ url, room: "general", ...more });

it("tabs have one stream, and another when the one that leads is gone", async () => {
  const tabs = [tab(), tab(), tab()];
  await pass(100);
  expect([service.opened, service.openStreams]).toEqual([1, 1]);
  while (tabs.length > 1) {
    tabs.shift()!.close();
    service.change("general", [alice, bob]);
    await pass(100);
    for (const one of tabs) expect(one.snapshot()).toMatchObject({ status: "live", participants: [alice, bob] });
    expect(service.openStreams).toBe(1);
    service.change("general", [alice]);
  }
  tabs[0]!.close();
  await pass(100);
  expect([service.openStreams, service.listeners]).toEqual([0, 0]);
});

it("tabs show an earlier list with which their stream begins again, when the service lost the later one", async () => {
  const tabs = [tab(), tab()];
  await pass(100);
  const early = service.stateOf("general");
  service.change("general", [alice, bob]);
  service.rooms.set("general", early);
  service.breakStreams();
  await pass(RETRY + 100);
  for (const one of tabs) expect(one.snapshot()).toMatchObject({ status: "live", ...early });
});

it("tabs that send cookies share no stream with tabs that do not", async () => {
  const tabs = [tab(), tab({ withCredentials: true }), tab({ withCredentials: false }), tab({ withCredentials: true })];
  await pass(100);
  for (const one of tabs) expect(one.snapshot()).toMatchObject({ status: "live", participants: [alice] });
  expect([...service.sources].map(({ withCredentials }) => withCredentials).sort()).toEqual([false, true]);
  for (const one of tabs) one.close();
});

it("without locks each tab has one of its own", async () => {
  locks.isDenied = true;
  const tabs = [tab(), tab()];
  await pass(100);
  for (const one of tabs) expect(one.snapshot().status).toBe("live");
  expect(service.openStreams).toBe(2);
  for (const one of tabs) one.close();
  expect(service.openStreams).toBe(0);
});

it("without locks a page that is left and comes back is watched as before", async () => {
  locks.isDenied = true;
  const one = tab();
  await pass(100);
  service.emit("pagehide");
  expect([one.snapshot().status, service.openStreams]).toEqual(["disconnected", 0]);
  service.change("general", [bob]);
  service.emit("pageshow");
  await pass(100);
  expect(one.snapshot()).toMatchObject({ status: "live", participants: [bob] });
});

it("a tab that comes shows what is known, and changes nothing for the others", async () => {
  const first = tab();
  await pass(100);
  const told = vi.fn();
  first.subscribe(told);
  const second = tab();
  await pass(100);
  expect(second.snapshot()).toMatchObject({ status: "live", participants: [alice] });
  const other = watchRooms({ url, rooms: ["music"] });
  await pass(100);
  expect(other.snapshot().rooms.has("music")).toBe(true);
  expect(told).not.toHaveBeenCalled();
  const watchedRooms = () => [...service.sources].map(({ address }) => address.searchParams.getAll("room"));
  expect(watchedRooms()).toEqual([["general", "music"]]);
  other.close();
  await pass(100);
  expect(watchedRooms()).toEqual([["general"]]);
});

it("any tab's good token helps all, however many have bad ones", async () => {
  const token = (sub: string) => tokenOf({ sub, video: { roomList: true } });
  const tokens = ["bad", "worse", "worst", "good"].map(token);
  service.tokens = new Set(tokens);
  const tabs = tokens.map((one) => tab({ token: one }));
  await pass(100);
  service.tokens = new Set([token("good")]);
  service.breakStreams();
  await pass(RETRY + 2_000);
  expect(tabs.map((one) => one.snapshot().status)).toEqual(["live", "live", "live", "live"]);
  service.tokens.clear();
  service.breakStreams();
  await pass(RETRY + 2_000);
  const before = service.requests.length;
  expect(tabs.map((one) => one.snapshot().status)).toEqual(["error", "error", "error", "error"]);
  await pass(3_600_000);
  expect(service.requests.length).toBe(before);
});

it("a tab that gives no token is not waited for long", async () => {
  const video = { roomList: true };
  const token = vi
    .fn()
    .mockResolvedValueOnce(tokenOf({ video }))
    .mockReturnValue(new Promise(() => {}));
  tab({ token });
  const second = tab({ token: () => tokenOf({ video }) });
  service.tokens = new Set([tokenOf({ video })]);
  await pass(10_000);
  expect(second.snapshot().status).toBe("live");
});

it("a token function that fails at first does not make its room everybody's", async () => {
  const mine = tokenOf({ video: { room: "general", roomJoin: true } });
  const all = tab();
  const token = vi.fn().mockRejectedValueOnce(new Error("not now")).mockResolvedValue(mine);
  const own = tab({ token });
  await pass(5_000);
  expect([all.snapshot().status, own.snapshot().status, service.openStreams]).toEqual(["live", "live", 2]);
});

it("a tab whose rooms do not fit on the common connection has its own", async () => {
  const rooms = (name: string) => Array.from({ length: 60 }, (_, index) => `${name} ${index}`);
  const first = watchRooms({ url, rooms: rooms("a") });
  await pass(100);
  const second = watchRooms({ url, rooms: rooms("b") });
  await pass(1_000);
  for (const one of [first, second]) expect(one.snapshot()).toMatchObject({ status: "live", rooms: { size: 60 } });
  expect(service.openStreams).toBe(2);
  const before = service.opened;
  second.setRooms(rooms("b"));
  await pass(1_000);
  expect(service.opened).toBe(before);
});

it("hidden tabs stay connected for as long as the tab that wants to stay longest", async () => {
  // All are of the one page that is simulated here.
  const wishes = [undefined, "close", 300_000] as const;
  const tabs = wishes.map((whenHidden) => tab({ whenHidden }));
  await pass(100);
  service.hide(true);
  await pass(299_000);
  for (const one of tabs) expect(one.snapshot().status).toBe("live");
  await pass(2_000);
  expect(service.openStreams).toBe(0);
  // One more that nobody looks at.
  const keeper = tab({ whenHidden: "keep" });
  await pass(86_400_000);
  service.change("general", [bob]);
  await pass(100);
  for (const one of [...tabs, keeper]) expect(one.snapshot()).toMatchObject({ status: "live", participants: [bob] });
  keeper.close();
  await pass(299_000);
  expect(service.openStreams).toBe(1);
  await pass(2_000);
  expect(service.openStreams).toBe(0);
});

it("a connection that was replaced comes back only when somebody asks for it", async () => {
  const tabs = [tab(), tab(), tab()];
  const later = watchRooms({ url, rooms: ["music"] });
  await pass(100);
  service.replaceStreams();
  await pass(100);
  const shown = () => [...tabs, later].map((one) => one.snapshot().status);
  expect(shown()).toEqual(["error", "error", "error", "error"]);
  expect(tabs[0]!.snapshot().error).toMatchObject({ status: 429 });
  // The leader goes, pages are frozen and come back, rooms are others.
  tabs.shift()!.close();
  for (const event of ["freeze", "resume", "pagehide", "pageshow", "offline", "online"]) {
    service.emit(event);
    await pass(1_000);
  }
  later.setRooms(["late night"]);
  await pass(600_000);
  expect([service.opened, service.requests.length, service.openStreams]).toEqual([1, 0, 0]);
  expect(shown()).toEqual(["error", "error", "error"]);
  tabs[0]!.reconnect();
  await pass(100);
  expect([tabs[0]!.snapshot().status, service.openStreams]).toEqual(["live", 1]);
});

it("a tab that opens brings back a replaced connection for all tabs", async () => {
  const first = tab();
  await pass(100);
  service.replaceStreams();
  await pass(100);
  const second = tab();
  await pass(100);
  for (const one of [first, second]) expect(one.snapshot()).toMatchObject({ status: "live", participants: [alice] });
  expect(service.openStreams).toBe(1);
});

it("a page that is frozen or left lets another lead", async () => {
  const [leader, other] = [tab(), tab()];
  await pass(100);
  // Both are of the one page that is simulated here.
  service.emit("freeze");
  expect(service.openStreams).toBe(0);
  service.change("general", [bob]);
  await pass(1_000);
  service.emit("resume");
  await pass(100);
  for (const one of [leader, other]) expect(one.snapshot()).toMatchObject({ status: "live", participants: [bob] });
});
