import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { watchRoom, watchRoomList, watchRooms } from "../src/index.js";
import type { RoomSnapshot, Status, Watch } from "../src/types.js";
import { HEARTBEAT, RETRY, Service, person } from "./service.js";

const url = "https://presence.example.com";
const [alice, bob, carol] = [person("alice"), person("bob"), person("carol")];
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
const names = (snapshot: RoomSnapshot) => snapshot.participants.map(({ identity }) => identity);

/** Watches a room, and notes each status that it has. */
function watched(more: Partial<Parameters<typeof watchRoom>[0]> = {}): {
  room: Watch<RoomSnapshot>;
  statuses: Status[];
} {
  const room = watchRoom({ url, room: "general", ...more });
  const statuses = [room.snapshot().status];
  room.subscribe(() => {
    const { status } = room.snapshot();
    if (status !== statuses.at(-1)) statuses.push(status);
  });
  return { room, statuses };
}

describe("a room", () => {
  it("is shown, and what changes in it", async () => {
    const { room, statuses } = watched();
    expect(room.snapshot()).toEqual({
      participants: [],
      version: null,
      status: "connecting",
      error: null,
      lastEventAt: null,
    });
    await pass(50);
    expect(names(room.snapshot())).toEqual(["alice"]);
    service.change("general", [alice, bob]);
    expect(room.snapshot()).toEqual({
      participants: [alice, bob],
      version: service.stateOf("general").version,
      status: "live",
      error: null,
      lastEventAt: Date.now(),
    });
    expect(statuses).toEqual(["connecting", "live"]);
    expect(service.requests).toEqual([]);
  });

  it("is the same object until something is different, and so is who did not change", async () => {
    const { room } = watched();
    await pass(50);
    const first = room.snapshot();
    await pass(2 * HEARTBEAT);
    expect(room.snapshot()).toBe(first);
    expect(Object.isFrozen(first) && Object.isFrozen(first.participants)).toBe(true);
    service.change("general", [alice, bob]);
    expect(room.snapshot()).not.toBe(first);
    expect(room.snapshot().participants[0]).toBe(first.participants[0]);
  });

  it("without a `url` is asked of the page's own origin, and with a path of what is there", async () => {
    watchRoom({ room: "a b&c" });
    watchRoom({ room: "d", url: "/presence/" });
    await pass(50);
    const addresses = [...service.sources].map(({ address }) => address.href);
    expect(addresses).toEqual([
      "https://app.example.com/api/livekit/participants/stream?room=a+b%26c",
      "https://app.example.com/presence/api/livekit/participants/stream?room=d",
    ]);
  });

  it("ends with `close`, and leaves nothing behind", async () => {
    const { room } = watched();
    await pass(50);
    const others = vi.getTimerCount();
    room.close();
    expect(names(room.snapshot())).toEqual(["alice"]);
    service.change("general", []);
    room.reconnect();
    service.emit("online");
    await pass(100_000);
    expect(room.snapshot().status).toBe("closed");
    expect(names(room.snapshot())).toEqual(["alice"]);
    expect([service.openStreams, service.listeners, service.opened]).toEqual([0, 0, 1]);
    expect(vi.getTimerCount()).toBeLessThan(others);
  });

  it("goes on when one of its listeners fails", async () => {
    const complained = vi.spyOn(console, "error").mockImplementation(() => {});
    const { room } = watched();
    room.subscribe(() => {
      throw new Error("of the page");
    });
    const told = vi.fn();
    room.subscribe(told);
    await pass(50);
    service.stop();
    await pass(10_000);
    service.isUp = true;
    service.change("general", [bob]);
    await pass(30_000);
    expect(names(room.snapshot())).toEqual(["bob"]);
    expect(told.mock.calls.length).toBe(complained.mock.calls.length);
  });

  it("tells each of its listeners once, and none that has left", async () => {
    const { room } = watched();
    await pass(50);
    const told: string[] = [];
    const leave = room.subscribe(() => told.push("first"));
    room.subscribe(() => told.push("second"));
    service.change("general", []);
    leave();
    service.change("general", [bob]);
    expect(told).toEqual(["first", "second", "second"]);
  });
});

describe("a stream that breaks", () => {
  it("is opened again by the browser, after the delay that the service set", async () => {
    const { statuses } = watched();
    await pass(50);
    service.breakStreams();
    await pass(RETRY - 50);
    expect(service.opened).toBe(1);
    await pass(100);
    expect(service.opened).toBe(2);
    expect(statuses).toEqual(["connecting", "live", "connecting", "live"]);
    expect(service.requests).toEqual([]);
  });

  it("is tried again more and more rarely while the service is down, and opens when it is back", async () => {
    const { room, statuses } = watched();
    await pass(50);
    service.stop();
    await pass(RETRY + 100);
    expect(room.snapshot()).toMatchObject({
      status: "disconnected",
      error: { status: 0, message: "the service cannot be reached" },
    });
    expect(names(room.snapshot())).toEqual(["alice"]);
    const before = service.requests.length;
    await pass(300_000);
    const tries = service.requests.length - before;
    expect(tries).toBeGreaterThan(15);
    expect(tries).toBeLessThan(30);
    service.isUp = true;
    service.change("general", [bob]);
    await pass(15_100);
    expect(names(room.snapshot())).toEqual(["bob"]);
    expect(statuses).toEqual(["connecting", "live", "connecting", "disconnected", "live"]);
    expect(room.snapshot().error).toBe(null);
  });

  it("that says nothing for three heartbeats is given up", async () => {
    const { room } = watched();
    await pass(50);
    service.isSilent = true;
    await pass(3 * HEARTBEAT - 100);
    expect(room.snapshot().status).toBe("live");
    await pass(200);
    expect([room.snapshot().status, service.openStreams]).toEqual(["connecting", 0]);
    await pass(10_000);
    expect(room.snapshot().status).toBe("disconnected");
    service.isSilent = false;
    service.change("general", [carol]);
    await pass(30_000);
    expect(names(room.snapshot())).toEqual(["carol"]);
  });

  it("that is cut as soon as it opens is tried more and more rarely", async () => {
    const { room } = watched();
    await pass(50);
    service.isCuttingAtOnce = true;
    service.breakStreams();
    await pass(60_000);
    expect(service.opened).toBeLessThan(15);
    service.isCuttingAtOnce = false;
    await pass(31_000);
    expect(room.snapshot().status).toBe("live");
  });

  it("that never opens is given up after ten seconds", async () => {
    service.isSilent = true;
    const { room } = watched();
    await pass(9_900);
    expect(room.snapshot().status).toBe("connecting");
    service.isSilent = false;
    await pass(200);
    expect([room.snapshot().status, names(room.snapshot())]).toEqual(["polling", ["alice"]]);
    await pass(1_000);
    expect(room.snapshot().status).toBe("live");
  });

  it("is opened at once by `reconnect`", async () => {
    const { room } = watched();
    service.isUp = false;
    await pass(200_000);
    expect(room.snapshot().status).toBe("disconnected");
    service.isUp = true;
    room.reconnect();
    await pass(50);
    expect(room.snapshot().status).toBe("live");
  });

  it("tells the service what is shown, so that it is not sent again", async () => {
    const { room } = watched();
    await pass(50);
    const { version } = room.snapshot();
    room.reconnect();
    await pass(50);
    expect([...service.sources][0]!.address.searchParams.get("last_event_id")).toBe(String(version));
    expect(room.snapshot().status).toBe("live");
  });

  // The service lost what it had sent, and was told of that version: nothing later may ever come.
  it.each(["comes back by itself", "is opened anew"])(
    "shows an earlier list with which it begins when it %s",
    async (how) => {
      const { room } = watched();
      await pass(50);
      const early = service.stateOf("general");
      service.change("general", [alice, bob]);
      expect(room.snapshot().participants).toEqual([alice, bob]);
      service.rooms.set("general", early);
      if (how === "is opened anew") room.reconnect();
      else service.breakStreams();
      await pass(RETRY + 50);
      expect(room.snapshot()).toMatchObject({ status: "live", ...early });
      // But not what comes late on the same stream.
      service.change("general", [carol]);
      [...service.sources][0]!.send("participants:update", early.participants, early.version);
      expect(room.snapshot().participants).toEqual([carol]);
    },
  );
});

describe("a stream that the service ends for a newer one of the same identity", () => {
  const replaced = {
    status: "error",
    error: { status: 429, message: "a newer stream of this identity has replaced this one: reconnect to get it back" },
  };

  it("is not opened again by itself, whatever happens", async () => {
    const { room, statuses } = watched();
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(50);
    service.replaceStreams();
    for (const one of [room, rooms]) expect(one.snapshot()).toMatchObject(replaced);
    expect(names(room.snapshot())).toEqual(["alice"]);
    rooms.setRooms(["general", "late night"]);
    for (const event of ["offline", "online", "pagehide", "pageshow"]) service.emit(event);
    service.hide(true);
    await pass(120_000);
    service.hide(false);
    await pass(600_000);
    expect([service.opened, service.openStreams, service.requests.length]).toEqual([2, 0, 0]);
    expect(statuses).toEqual(["connecting", "live", "error"]);
  });

  it("is opened by `reconnect`, and then shows the room as it is now", async () => {
    const { room } = watched();
    await pass(50);
    service.replaceStreams();
    service.change("general", [bob]);
    room.reconnect();
    await pass(50);
    expect(room.snapshot()).toMatchObject({ status: "live", error: null, participants: [bob] });
  });

  it("is opened again if it ends for another reason", async () => {
    const { room } = watched();
    await pass(50);
    for (const source of service.sources) source.send("end", { reason: "max age" });
    service.breakStreams();
    await pass(RETRY + 50);
    expect(room.snapshot().status).toBe("live");
  });
});

describe("without streams", () => {
  it("the list is polled, until a stream opens again", async () => {
    service.streams = "off";
    const { room, statuses } = watched();
    await pass(60);
    expect([room.snapshot().status, names(room.snapshot())]).toEqual(["polling", ["alice"]]);
    service.change("general", [alice, bob]);
    await pass(5_100);
    expect(names(room.snapshot())).toEqual(["alice", "bob"]);
    service.streams = "on";
    await pass(30_000);
    expect(room.snapshot().status).toBe("live");
    expect(statuses).toEqual(["connecting", "polling", "live"]);
  });

  it("the list is polled more and more rarely while nothing changes, and not sent again", async () => {
    vi.stubGlobal("EventSource", undefined);
    const { room } = watched();
    await pass(50);
    expect(room.snapshot().status).toBe("polling");
    const first = room.snapshot();
    await pass(180_000);
    expect(room.snapshot()).toBe(first);
    // Every 5 s at first, growing by 1.2 to 15 s.
    expect(service.requests.length).toBe(15);
    const [begin, ...others] = service.requests;
    expect(begin!.headers).toEqual({});
    expect(new Set(others.map(({ headers }) => headers["If-None-Match"]))).toEqual(new Set([`"${first.version}"`]));
    service.change("general", [bob]);
    await pass(15_100);
    expect(names(room.snapshot())).toEqual(["bob"]);
    const before = service.requests.length;
    await pass(5_100);
    expect(service.requests.length).toBe(before + 1);
  });

  it("nothing is polled while the page is hidden", async () => {
    vi.stubGlobal("EventSource", undefined);
    const { room } = watched();
    await pass(100);
    service.hide(true);
    await pass(5_100);
    const before = service.requests.length;
    await pass(120_000);
    expect(service.requests.length).toBe(before);
    service.change("general", [bob]);
    service.hide(false);
    await pass(50);
    expect(names(room.snapshot())).toEqual(["bob"]);
  });

  it("a page that is shown polls, though it was told to wait while it was hidden", async () => {
    vi.stubGlobal("EventSource", undefined);
    service.refusal = { status: 429, retryAfter: 5 };
    const { room } = watched();
    await pass(100);
    service.hide(true);
    service.refusal = null;
    await pass(6_000);
    expect(room.snapshot().status).toBe("polling");
    service.change("general", [bob]);
    service.hide(false);
    await pass(100);
    expect(names(room.snapshot())).toEqual(["bob"]);
  });

  it("an answer that is not a list counts as a failure", async () => {
    service.streams = "refused";
    const { room } = watched();
    service.body = { login: "here" };
    await pass(100);
    expect(room.snapshot()).toMatchObject({
      status: "disconnected",
      error: { status: 200, message: "the service answered 200" },
    });
    service.body = undefined;
    await pass(2_000);
    expect(room.snapshot().status).toBe("polling");
  });

  it("lists without an ETag are shown too", async () => {
    vi.stubGlobal("EventSource", undefined);
    service.hasETags = false;
    const { room } = watched();
    await pass(100);
    service.change("general", [bob]);
    await pass(6_000);
    expect(names(room.snapshot())).toEqual(["bob"]);
  });

  it("a stream that hangs does not keep the polls waiting", async () => {
    service.streams = "hanging";
    watched();
    await pass(10_100);
    expect(service.requests.length).toBe(1);
    await pass(60_000);
    expect(service.requests.length).toBeGreaterThan(6);
  });

  it("it waits for as long as `Retry-After` says", async () => {
    service.streams = "refused";
    service.refusal = { status: 503, detail: "this instance is full", retryAfter: 20 };
    const { room } = watched();
    await pass(100);
    expect(room.snapshot()).toMatchObject({
      status: "disconnected",
      error: { status: 503, message: "this instance is full" },
    });
    await pass(19_800);
    service.hide(true);
    service.hide(false);
    await pass(50);
    expect(service.requests.length).toBe(1);
    service.refusal = null;
    await pass(1_000);
    expect(room.snapshot().status).toBe("polling");
  });
});

describe("a page", () => {
  it("that is hidden for a minute closes its stream, and opens it when it is shown", async () => {
    const { room, statuses } = watched();
    await pass(50);
    service.hide(true);
    await pass(59_000);
    expect(room.snapshot().status).toBe("live");
    await pass(1_100);
    expect([service.openStreams, room.snapshot().status]).toEqual([0, "disconnected"]);
    service.change("general", [bob]);
    await pass(600_000);
    service.hide(false);
    await pass(50);
    expect(names(room.snapshot())).toEqual(["bob"]);
    expect(statuses).toEqual(["connecting", "live", "disconnected", "live"]);
  });

  it("that is hidden for a moment keeps it", async () => {
    watched();
    await pass(50);
    service.hide(true);
    await pass(30_000);
    service.hide(false);
    await pass(100_000);
    expect(service.opened).toBe(1);
  });

  it.each([
    ["keep" as const, 90_000_000, null],
    ["close" as const, null, 1],
    [300_000, 299_000, 301_000],
    [undefined, 59_000, 61_000],
  ])("that is hidden with `whenHidden: %s` does as it says", async (whenHidden, staysFor, isGoneAfter) => {
    const { room } = watched({ whenHidden });
    await pass(50);
    service.hide(true);
    if (staysFor !== null) {
      await pass(staysFor);
      service.change("general", [alice, bob]);
      expect([room.snapshot().status, names(room.snapshot())]).toEqual(["live", ["alice", "bob"]]);
    }
    if (isGoneAfter !== null) {
      await pass(isGoneAfter - (staysFor ?? 0));
      expect([service.openStreams, room.snapshot().status]).toEqual([0, "disconnected"]);
    }
    service.change("general", [carol]);
    service.hide(false);
    await pass(50);
    expect([room.snapshot().status, names(room.snapshot())]).toEqual(["live", ["carol"]]);
  });

  it("that is hidden and stays goes on polling without streams", async () => {
    vi.stubGlobal("EventSource", undefined);
    const { room } = watched({ whenHidden: "keep" });
    const list = watchRoomList({ url, whenHidden: 120_000 });
    await pass(50);
    service.hide(true);
    await pass(60_000);
    service.change("general", [alice, bob]);
    service.change("music", [carol]);
    await pass(15_100);
    expect(names(room.snapshot())).toEqual(["alice", "bob"]);
    expect(list.snapshot().rooms!.length).toBe(2);
    await pass(60_000);
    expect([room.snapshot().status, list.snapshot().status]).toEqual(["polling", "disconnected"]);
  });

  it("follows the `whenHidden` of the moment when it is hidden", async () => {
    const options = { url, room: "general", whenHidden: "close" as "close" | "keep" };
    const room = watchRoom(options);
    await pass(50);
    options.whenHidden = "keep";
    service.hide(true);
    await pass(3_600_000);
    expect(room.snapshot().status).toBe("live");
  });

  it("that is hidden and told to reconnect disconnects again", async () => {
    const { room } = watched();
    service.hide(true);
    await pass(61_000);
    room.reconnect();
    await pass(50);
    expect(service.openStreams).toBe(1);
    await pass(60_000);
    expect(service.openStreams).toBe(0);
  });

  it("that is hidden from the beginning closes it, too", async () => {
    service.hide(true);
    watched();
    await pass(60_100);
    expect([service.opened, service.openStreams]).toEqual([1, 0]);
  });

  it("that is hidden while the service is gone asks for nothing after a minute", async () => {
    watched();
    await pass(50);
    service.stop();
    await pass(5_000);
    service.hide(true);
    await pass(61_000);
    const before = service.requests.length;
    await pass(3_600_000);
    expect(service.requests.length).toBe(before);
  });

  it("whose stream died unnoticed opens another when it is shown", async () => {
    const { room } = watched();
    await pass(50);
    service.hide(true);
    service.isSilent = true;
    await pass(HEARTBEAT + 5_000);
    service.isSilent = false;
    service.change("general", [carol]);
    service.hide(false);
    await pass(50);
    expect(names(room.snapshot())).toEqual(["carol"]);
  });

  it("in the back-forward cache holds nothing open, and is right when it is back", async () => {
    const { room } = watched();
    await pass(50);
    service.hide(true);
    service.emit("pagehide");
    expect(service.openStreams).toBe(0);
    service.change("general", [bob]);
    await pass(10_000);
    service.hide(false);
    service.emit("pageshow");
    await pass(50);
    expect([names(room.snapshot()), room.snapshot().status, service.openStreams]).toEqual([["bob"], "live", 1]);
  });

  it("that loses its network says so at once, and is back at once", async () => {
    const { room } = watched();
    await pass(50);
    service.isReachable = false;
    service.emit("offline");
    expect([room.snapshot().status, service.openStreams]).toEqual(["disconnected", 0]);
    await pass(100_000);
    service.isReachable = true;
    service.change("general", [bob]);
    service.emit("online");
    await pass(50);
    expect([names(room.snapshot()), room.snapshot().status]).toEqual([["bob"], "live"]);
  });
});

describe("a token", () => {
  /** A token that expires after so many seconds. It is good for nothing else here. */
  const tokenFor = (seconds: number, name = "a") =>
    ["{}", JSON.stringify({ exp: Date.now() / 1_000 + seconds, sub: name }), "signed"]
      .map((part) => btoa(part))
      .join(".");

  it("stands in the address of a stream, and in the header of a request", async () => {
    service.tokens = new Set(["t&1"]);
    const { room } = watched({ token: "t&1" });
    await pass(50);
    expect(room.snapshot().status).toBe("live");
    service.streams = "off";
    room.reconnect();
    await pass(50);
    expect(service.requests[0]!.headers["Authorization"]).toBe("Bearer t&1");
    expect(service.requests[0]!.path).not.toContain("t&1");
  });

  it("may end in a line break, as text from a file or a template does", async () => {
    service.tokens = new Set(["good"]);
    const { room } = watched({ token: async () => "good\n" });
    await pass(100);
    expect([room.snapshot().status, service.requests.length]).toEqual(["live", 0]);
  });

  it("that is refused is an error that says why, and is not tried again", async () => {
    service.tokens = new Set(["good"]);
    const { room } = watched({ token: "secret" });
    await pass(100);
    const { status, error } = room.snapshot();
    expect([status, error]).toEqual(["error", { status: 401, message: "show a token" }]);
    const before = service.requests.length;
    service.hide(true);
    service.hide(false);
    service.emit("online");
    await pass(600_000);
    expect(service.requests.length).toBe(before);
    service.tokens.add("secret");
    room.reconnect();
    await pass(50);
    expect(room.snapshot()).toMatchObject({ status: "live", error: null });
  });

  it("that is refused is requested again, once", async () => {
    service.tokens = new Set(["second"]);
    const token = vi.fn().mockResolvedValueOnce("first").mockResolvedValueOnce("second").mockResolvedValue("third");
    const { room } = watched({ token });
    await pass(100);
    expect(room.snapshot().status).toBe("live");
    service.tokens.clear();
    service.breakStreams();
    await pass(RETRY + 200);
    expect(room.snapshot().status).toBe("error");
    expect(token).toHaveBeenCalledTimes(3);
  });

  it("is renewed before it expires, and the status stays live", async () => {
    service.tokens = new Set();
    const token = vi.fn(async () => {
      const fresh = tokenFor(100, String(token.mock.calls.length));
      service.tokens!.add(fresh);
      return fresh;
    });
    const { room, statuses } = watched({ token });
    await pass(89_000);
    expect(token).toHaveBeenCalledTimes(1);
    await pass(2_000);
    expect(token).toHaveBeenCalledTimes(2);
    await pass(100 * 100_000);
    expect(token.mock.calls.length).toBeGreaterThan(100);
    expect(statuses).toEqual(["connecting", "live"]);
    expect(service.openStreams).toBe(1);
    room.close();
  });

  it.each([
    [600, 540],
    [60, 50],
    [30, 20],
    [12, 5],
  ])("of %i seconds is renewed after %i, early enough for a source that is slow", async (life, used) => {
    const token = vi.fn(() => tokenFor(life));
    watched({ token });
    await pass(used * 1_000 - 500);
    expect(token).toHaveBeenCalledTimes(1);
    await pass(1_000);
    expect(token).toHaveBeenCalledTimes(2);
  });

  it("that never comes is waited for ten seconds, and the stream goes on meanwhile", async () => {
    const token = vi
      .fn()
      .mockResolvedValueOnce(tokenFor(100))
      .mockReturnValueOnce(new Promise(() => {}))
      .mockImplementation(() => tokenFor(100));
    const { room, statuses } = watched({ token });
    await pass(95_000);
    expect([room.snapshot().status, service.openStreams, token.mock.calls.length]).toEqual(["live", 1, 2]);
    await pass(6_500);
    expect([room.snapshot().status, service.openStreams, token.mock.calls.length]).toEqual(["live", 1, 3]);
    expect(statuses).toEqual(["connecting", "live", "disconnected", "live"]);
  });

  it("that seems to expire at once, by a wrong clock, causes no storm of requests", async () => {
    const token = vi.fn(() => tokenFor(0.1));
    watched({ token });
    await pass(60_000);
    expect(token.mock.calls.length).toBeLessThan(15);
  });

  it("that expired before it came is used until it is refused", async () => {
    const token = vi.fn(() => tokenFor(-3_600));
    watched({ token });
    await pass(3_600_000);
    expect(token).toHaveBeenCalledTimes(1);
  });

  it("that cannot be had is requested again, and the reason is not shown", async () => {
    const token = vi.fn().mockRejectedValueOnce(new Error("Bearer secret")).mockResolvedValue("good");
    const { room } = watched({ token });
    await pass(10);
    expect(room.snapshot()).toMatchObject({
      status: "disconnected",
      error: { status: 0, message: "no token could be had" },
    });
    await pass(1_000);
    expect(room.snapshot().status).toBe("live");
  });

  it.each([
    [403, "error"],
    [400, "error"],
    [404, "disconnected"],
    [429, "disconnected"],
    [500, "disconnected"],
  ])("and a refusal with %i make it an `%s`", async (status, expected) => {
    service.streams = "refused";
    service.refusal = { status, detail: "because" };
    const { room } = watched();
    await pass(100);
    expect(room.snapshot()).toMatchObject({ status: expected, error: { status, message: "because" } });
  });
});

describe("cookies", () => {
  it.each([true, false])("are sent to another origin by streams and requests if asked for (%s)", async (isAsked) => {
    const options = { url, share: false, withCredentials: isAsked || undefined };
    const watches = [watchRoom({ ...options, room: "general" }), watchRoomList(options)];
    await pass(50);
    expect([...service.sources].map(({ withCredentials }) => withCredentials)).toEqual([isAsked, isAsked]);
    service.streams = "refused";
    service.breakStreams();
    await pass(RETRY + 500);
    const sent = new Map(service.requests.map(({ path, credentials }) => [path.split("?")[0], credentials]));
    const expected = isAsked ? "include" : undefined;
    expect(sent).toEqual(
      new Map([
        ["/api/livekit/rooms", expected],
        ["/api/livekit/participants", expected],
      ]),
    );
    for (const watch of watches) watch.close();
  });
});

describe("many rooms", () => {
  beforeEach(() => service.change("music", [carol]));

  it("are on one stream, and only the one that changes is another", async () => {
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(50);
    const first = rooms.snapshot();
    expect([...first.rooms.keys()]).toEqual(["general", "music"]);
    service.change("general", [alice, bob]);
    service.change("general", [bob]);
    service.change("general", [{ ...bob, name: "Bob" }]);
    const last = rooms.snapshot();
    expect(last.rooms.get("general")).toEqual(service.stateOf("general"));
    expect(last.rooms.get("music")).toBe(first.rooms.get("music"));
    expect(service.opened).toBe(1);
  });

  it("can be changed, which keeps the lists of those that stay, and the status", async () => {
    const rooms = watchRooms({ url, rooms: ["general"] });
    const statuses = [rooms.snapshot().status];
    rooms.subscribe(() => rooms.snapshot().status !== statuses.at(-1) && statuses.push(rooms.snapshot().status));
    await pass(50);
    const general = rooms.snapshot().rooms.get("general");
    rooms.setRooms(["music", "general"]);
    expect(rooms.snapshot().rooms.get("general")).toBe(general);
    await pass(50);
    expect([...rooms.snapshot().rooms.keys()].sort()).toEqual(["general", "music"]);
    expect(statuses).toEqual(["connecting", "live"]);
    rooms.setRooms(["music"]);
    expect([...rooms.snapshot().rooms.keys()]).toEqual(["music"]);
    rooms.setRooms([]);
    await pass(50);
    expect([rooms.snapshot().status, service.openStreams]).toEqual(["live", 0]);
  });

  it("are never shown older than they were", async () => {
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(50);
    service.change("general", [alice, bob]);
    const versions = [rooms.snapshot().rooms.get("general")!.version];
    rooms.subscribe(() => versions.push(rooms.snapshot().rooms.get("general")!.version));
    // The second stream reaches an instance that is behind, and catches up.
    rooms.reconnect();
    await pass(100);
    service.change("general", [bob]);
    await pass(100);
    expect(rooms.snapshot().rooms.get("general")).toEqual(service.stateOf("general"));
    expect(versions).toEqual([...versions].sort((a, b) => a - b));
    expect(service.opened).toBe(2);
  });

  it("are read again when a change is missing", async () => {
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(50);
    const [stream] = service.sources;
    const lost = vi.spyOn(stream!, "send").mockImplementation(() => {});
    service.change("general", [alice, bob]);
    lost.mockRestore();
    service.change("general", [bob, carol]);
    expect(rooms.snapshot().rooms.get("general")!.participants).toEqual([alice]);
    await pass(1_100);
    expect(rooms.snapshot()).toMatchObject({ status: "live" });
    expect(rooms.snapshot().rooms.get("general")).toEqual(service.stateOf("general"));
    service.change("general", [bob]);
    expect(rooms.snapshot().rooms.get("general")!.participants).toEqual([bob]);
  });

  it("are shown though one of them is refused", async () => {
    service.streams = "off";
    service.refusedRoom = "music";
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(10_000);
    expect([...rooms.snapshot().rooms.keys()]).toEqual(["general"]);
    expect(rooms.snapshot()).toMatchObject({ status: "disconnected", error: { status: 429 } });
  });

  it("are all polled only after a stream has failed twice", async () => {
    service.streams = "refused";
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(100);
    expect(service.requests.length).toBe(1);
    expect(rooms.snapshot().status).toBe("connecting");
    await pass(1_000);
    expect(rooms.snapshot().status).toBe("polling");
    expect([...rooms.snapshot().rooms.keys()]).toEqual(["general", "music"]);
  });

  it("that the service has forgotten are empty", async () => {
    const rooms = watchRooms({ url, rooms: ["general", "music"] });
    await pass(50);
    service.rooms.clear();
    service.behind.clear();
    rooms.reconnect();
    await pass(50);
    expect(rooms.snapshot().rooms.get("general")).toEqual({ version: 0, participants: [] });
  });
});
