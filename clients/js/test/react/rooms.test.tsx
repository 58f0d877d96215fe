import { StrictMode } from "react";
import { expect, test, vi } from "vitest";

import { useConnection, useParticipants, useRooms, type Connection, type Rooms } from "../../src/react/index.js";
import { Presence } from "../../src/react/presence.js";
import { Provider, settle, show } from "./page.js";
import { FakeService, listing, someone } from "./service.js";

let lists: Rooms[] = [];
let links: Connection[] = [];

function List() {
  const list = useRooms();
  lists.push(list);
  return <p>{list.rooms?.map(({ name, numParticipants }) => `${name} ${numParticipants}`).join(",") ?? "none yet"}</p>;
}

function Link() {
  const link = useConnection();
  links.push(link);
  return <p>{link.status}</p>;
}

function Room({ name }: { name: string }) {
  useParticipants(name);
  return null;
}

const streamOfRooms = () => FakeService.streamOf("livekit/rooms/stream");

test("the list of rooms is streamed once for all components, and nothing is polled", async () => {
  const page = await show(
    <StrictMode>
      <Provider token="t">
        <List />
        <List />
      </Provider>
    </StrictMode>,
  );
  await settle();
  expect(streamOfRooms().address.search).toBe("?all=true&access_token=t");
  streamOfRooms().send("rooms:snapshot", { version: 1, rooms: [listing("general", 2)] });
  expect(page.text()).toBe("general 2general 2");
  streamOfRooms().send("rooms:delta", { prev: 1, version: 2, changed: [listing("general", 3)], gone: [] });
  expect(page.text()).toBe("general 3general 3");
  await page.unmount();
  await settle(20_000);
  expect([FakeService.streams.length, FakeService.asked.length]).toEqual([1, 0]);
});

test("nothing is left of a prefix or a filter that nobody wants any more", async () => {
  const presence = new Presence({ url: "https://presence.example.com", share: false });
  const { lists, events } = presence as unknown as { lists: Map<string, unknown>; events: Map<string, unknown> };
  const handlers = { onEvent: () => {}, onGap: () => {} };
  for (let number = 0; number < 5; number += 1) {
    const filter = JSON.stringify({ prefix: `${number}` });
    const leaveAll = [presence.wantRoomList(`${number}`, () => {}), presence.wantEvents(filter, handlers, () => {})];
    await settle();
    expect([lists.size, events.size, FakeService.open.length]).toEqual([1, 1, 2]);
    for (const leave of leaveAll) leave();
    await settle(2_000);
    expect([lists.size, events.size, FakeService.open.length]).toEqual([0, 0, 0]);
  }
});

test("a list of rooms has the prefix that was asked for, and a connection of its own", async () => {
  const Team = ({ prefix }: { prefix: string }) => (
    <p>{useRooms({ prefix }).rooms?.map(({ name }) => name) ?? "none"}</p>
  );
  const app = (prefix: string) => (
    <Provider>
      <Team prefix={prefix} />
      <Team prefix={prefix} />
    </Provider>
  );
  const page = await show(app("a-"));
  await settle();
  expect(streamOfRooms().address.search).toBe("?all=true&prefix=a-");
  streamOfRooms().send("rooms:snapshot", { version: 1, rooms: [listing("a-1", 2)] });
  expect(page.text()).toBe("a-1a-1");
  await page.render(app("b-"));
  expect(page.text()).toBe("nonenone");
  await settle(1_000);
  expect(streamOfRooms().address.search).toBe("?all=true&prefix=b-");
});

test("the same list again is the same object, and no render", async () => {
  lists = [];
  await show(
    <Provider>
      <List />
    </Provider>,
  );
  await settle();
  streamOfRooms().send("rooms:snapshot", { version: 1, rooms: [listing("general", 2)] });
  const renders = lists.length;
  streamOfRooms().send("rooms:snapshot", { version: 2, rooms: [listing("general", 2)] });
  streamOfRooms().send("rooms:delta", { prev: 2, version: 3, changed: [listing("general", 2)], gone: [] });
  expect(lists.length).toBe(renders);
});

test("where streams do not get through, the list is polled", async () => {
  vi.stubGlobal("EventSource", undefined);
  FakeService.answer = () => ({ status: 200, body: [listing("general", 2)] });
  const page = await show(
    <Provider token="t">
      <List />
    </Provider>,
  );
  await settle();
  expect(page.text()).toBe("general 2");
  expect(FakeService.asked).toEqual([{ path: "/api/livekit/rooms", authorization: "Bearer t" }]);
});

test("the link is that of the rooms, or of the list of rooms if no room is shown", async () => {
  const page = await show(
    <Provider>
      <Link />
    </Provider>,
  );
  await settle(1_000);
  expect(page.text()).toBe("connecting");
  expect(FakeService.asked).toEqual([]);
  await page.render(
    <Provider>
      <Link />
      <List />
    </Provider>,
  );
  await settle();
  streamOfRooms().send("rooms:snapshot", { version: 1, rooms: [] });
  expect(links.at(-1)!.status).toBe("live");
  await page.render(
    <Provider>
      <Link />
      <List />
      <Room name="general" />
    </Provider>,
  );
  await settle();
  expect(links.at(-1)!.status).toBe("connecting");
  FakeService.welcome({ general: [] }, 1, FakeService.streamOf("livekit/participants/stream"));
  await settle();
  expect(links.at(-1)!.status).toBe("live");
  streamOfRooms().end(true);
  expect(links.at(-1)!.status).toBe("live");
  await page.render(
    <Provider>
      <Link />
      <List />
    </Provider>,
  );
  await settle(1_000);
  expect(links.at(-1)!.status).toBe("connecting");
});

test("the link tells of changes in any room", async () => {
  links = [];
  await show(
    <Provider>
      <Link />
      <Room name="general" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [] });
  await settle();
  const before = links.at(-1)!;
  await settle(3_000);
  FakeService.list("general", [someone("anouk")], 2);
  await settle();
  expect(links.at(-1)!.lastEventAt).toBe(before.lastEventAt! + 3_000);
  expect(links.at(-1)!.reconnect).toBe(before.reconnect);
});
