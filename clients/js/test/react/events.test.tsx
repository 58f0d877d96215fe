import { StrictMode } from "react";
import { expect, test, vi } from "vitest";

import { useConnection, useEvents, type Connection, type EventsHookOptions } from "../../src/react/index.js";
import { Provider, settle, show } from "./page.js";
import { FakeService, type FakeStream } from "./service.js";

let renders = 0;
let link: Connection;

function Listen(options: EventsHookOptions) {
  link = useEvents(options);
  renders += 1;
  return null;
}

const feed = () => FakeService.streamOf("events");
const event = (id: string) => ({ id, type: "livekit", event: "room_started", room: "a", data: {}, timestamp: 1 });
const connected = (stream: FakeStream) =>
  stream.send("message", { type: "system", event: "connected", timestamp: 1 }, "1-0");

test("each component is told of each event, on one stream, and none renders", async () => {
  const [first, second] = [vi.fn(), vi.fn()];
  const page = await show(
    <StrictMode>
      <Provider token="t">
        <Listen filter={{ events: ["room_started"] }} onEvent={first} />
        <Listen filter={{ events: ["room_started"] }} onEvent={second} />
      </Provider>
    </StrictMode>,
  );
  await settle();
  expect(feed().address.search).toBe("?event=room_started&access_token=t");
  connected(feed());
  expect(link.status).toBe("live");
  const before = renders;
  feed().send("message", event("EV_1"), "2-0");
  feed().send("message", event("EV_2"), "3-0");
  for (const told of [first, second]) expect(told.mock.calls).toEqual([[event("EV_1")], [event("EV_2")]]);
  expect(renders).toBe(before);
  await page.unmount();
  await settle(1_000);
  expect(FakeService.open).toEqual([]);
});

test("the newest function is called, and a filter of the same content keeps the stream", async () => {
  const [old, now] = [vi.fn(), vi.fn()];
  const app = (onEvent: () => void, rooms: string[]) => (
    <Provider>
      <Listen filter={{ rooms }} onEvent={onEvent} />
    </Provider>
  );
  const page = await show(app(old, ["a"]));
  await settle();
  connected(feed());
  await page.render(app(now, ["a"]));
  feed().send("message", event("EV_1"), "2-0");
  expect([old.mock.calls.length, now.mock.calls.length]).toEqual([0, 1]);
  expect(FakeService.streams.length).toBe(1);
  await page.render(app(now, ["b"]));
  await settle(1_000);
  expect(feed().address.search).toBe("?room=b");
});

test("a gap is told, and a handler that fails does not keep it from others", async () => {
  const complained = vi.mocked(console.error).mockImplementation(() => {});
  const [onGap, onEvent] = [vi.fn(), vi.fn()];
  const fail = () => {
    throw new Error("of the page");
  };
  await show(
    <Provider>
      <Listen onEvent={fail} onGap={fail} />
      <Listen onEvent={onEvent} onGap={onGap} />
    </Provider>,
  );
  await settle();
  feed().send("message", { type: "system", event: "gap", timestamp: 1 }, "9-0");
  feed().send("message", event("EV_1"), "10-0");
  expect([onGap.mock.calls.length, onEvent.mock.calls.length]).toEqual([1, 1]);
  expect(complained).toHaveBeenCalledTimes(2);
  complained.mockReset();
});

test("`useConnection` returns the link of the events if nothing else is watched", async () => {
  const Link = () => <p>{useConnection().status}</p>;
  const page = await show(
    <Provider>
      <Link />
      <Listen onEvent={() => {}} />
    </Provider>,
  );
  await settle();
  expect(page.text()).toBe("connecting");
  connected(feed());
  expect(page.text()).toBe("live");
});
