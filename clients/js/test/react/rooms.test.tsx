import { StrictMode } from "react";
import { expect, test } from "vitest";

import { useConnection, useParticipants, useRooms, type Connection, type Rooms } from "../../src/react/index.js";
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

test("the rooms are polled once for all components, every five seconds", async () => {
  FakeService.answer = () => ({ status: 200, body: [listing("general", 2)] });
  const page = await show(
    <StrictMode>
      <Provider token="t">
        <List />
        <List />
      </Provider>
    </StrictMode>,
  );
  await settle();
  expect(page.text()).toBe("general 2general 2");
  expect(FakeService.asked).toEqual([{ path: "/api/livekit/rooms", authorization: "Bearer t" }]);
  FakeService.answer = () => ({ status: 200, body: [listing("general", 3)] });
  await settle(5_000);
  expect(page.text()).toBe("general 3general 3");
  expect(FakeService.asked.length).toBe(2);
  await page.unmount();
  await settle(20_000);
  expect(FakeService.asked.length).toBe(2);
});

test("the same answer again is the same object, and no render", async () => {
  lists = [];
  FakeService.answer = () => ({ status: 200, body: [listing("general", 2)], etag: '"7"' });
  await show(
    <Provider>
      <List />
    </Provider>,
  );
  await settle();
  const renders = lists.length;
  await settle(12_000);
  expect(FakeService.asked.length).toBe(3);
  expect(lists.length).toBe(renders);
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
  expect(links.at(-1)!.status).toBe("polling");
  await page.render(
    <Provider>
      <Link />
      <List />
      <Room name="general" />
    </Provider>,
  );
  await settle();
  expect(links.at(-1)!.status).toBe("connecting");
  FakeService.welcome({ general: [] });
  await settle();
  expect(links.at(-1)!.status).toBe("live");
  await page.render(
    <Provider>
      <Link />
      <List />
    </Provider>,
  );
  await settle(1_000);
  expect(links.at(-1)!.status).toBe("polling");
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
