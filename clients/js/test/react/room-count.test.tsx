import { StrictMode } from "react";
import { expect, test } from "vitest";

import { useRoomCount, type RoomCount } from "../../src/react/index.js";
import { Provider, settle, show } from "./page.js";
import { FakeService } from "./service.js";

const seen = new Map<string | null, RoomCount[]>();

function Count({ room }: { room: string | null }) {
  const count = useRoomCount(room);
  seen.set(room, [...(seen.get(room) ?? []), count]);
  return <p>{count.counts ? `${room} ${count.counts.people}` : `${room} ?`}</p>;
}

const counts = (people: number, version = 1) => ({ people, agents: 1, publishers: 0, version });

test("the counts of all rooms are on one stream, which brings only counts", async () => {
  const page = await show(
    <StrictMode>
      <Provider token="t">
        <Count room="general" />
        <Count room="music" />
        <Count room="general" />
      </Provider>
    </StrictMode>,
  );
  await settle();
  const { stream } = FakeService;
  expect(`${stream.address.pathname}${stream.address.search}`).toBe(
    "/api/livekit/rooms/stream?room=general&room=music&view=count&access_token=t",
  );
  stream.send("room:count", { room: "general", ...counts(2) });
  expect(page.text()).toBe("general 2music ?general 2");
  stream.send("room:count", { room: "music", ...counts(0) });
  stream.send("room:count", { room: "general", ...counts(3, 2) });
  expect(page.text()).toBe("general 3music 0general 3");
  await page.unmount();
  await settle(1_000);
  expect(FakeService.asked).toEqual([]);
});

test("only a room whose numbers change renders again", async () => {
  seen.clear();
  await show(
    <Provider>
      <Count room="general" />
      <Count room="music" />
    </Provider>,
  );
  await settle();
  for (const room of ["general", "music"]) FakeService.stream.send("room:count", { room, ...counts(1) });
  const [general, music] = [seen.get("general")!, seen.get("music")!];
  const before = [general.length, music.length];
  FakeService.stream.send("room:count", { room: "general", ...counts(1, 5) });
  expect([seen.get("general")!.length, seen.get("music")!.length]).toEqual(before);
  FakeService.stream.send("room:count", { room: "general", ...counts(2, 6) });
  expect([seen.get("general")!.length, seen.get("music")!.length]).toEqual([before[0]! + 1, before[1]]);
});

test("the count of one room is on the stream of that room", async () => {
  const page = await show(
    <Provider>
      <Count room="general" />
    </Provider>,
  );
  await settle();
  FakeService.streamOf("livekit/participants/stream").send("count", counts(7));
  expect(page.text()).toBe("general 7");
  expect(seen.get("general")!.at(-1)!.status).toBe("live");
});

test("without a room nothing is watched", async () => {
  seen.clear();
  await show(
    <Provider>
      <Count room={null} />
    </Provider>,
  );
  await settle(5_000);
  expect(seen.get(null)!.at(-1)).toMatchObject({ counts: null, status: "connecting" });
  expect(FakeService.streams).toEqual([]);
});
