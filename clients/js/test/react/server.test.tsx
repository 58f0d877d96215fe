import { StrictMode, version } from "react";
import { renderToString } from "react-dom/server";
import { expect, test, vi } from "vitest";

import { LiveIndicator, useParticipants, useRoomPresence, useRooms } from "../../src/react/index.js";
import { hydrate, Provider, settle } from "./page.js";
import { FakeService, listing, someone } from "./service.js";

function Room() {
  const { participants } = useParticipants("general");
  const { participants: people } = useRoomPresence("general");
  const { rooms } = useRooms();
  return (
    <p>
      {`${participants.length} ${people.length} ${rooms?.length ?? "?"}`}
      <LiveIndicator />
    </p>
  );
}

const app = (
  <StrictMode>
    <Provider token={() => "secret"}>
      <Room />
    </Provider>
  </StrictMode>
);

test("a server renders the initial state, and connects nothing", async () => {
  const html = renderToString(app);
  expect(html).toContain("0 0 ?");
  expect(html).toContain("CONNECTING");
  expect(html).not.toContain("secret");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(FakeService.streams).toEqual([]);
  expect(FakeService.asked).toEqual([]);
});

test("what a server rendered is hydrated without a mismatch, and then live", async () => {
  const onRecoverableError = vi.fn();
  const page = await hydrate(renderToString(app), app, onRecoverableError);
  await settle();
  FakeService.welcome({ general: [someone("anouk")] }, 1, FakeService.streamOf("livekit/participants/stream"));
  FakeService.streamOf("livekit/rooms/stream").send("rooms:snapshot", { version: 1, rooms: [listing("general", 1)] });
  await settle();
  expect(page.text()).toBe("1 1 1LIVE");
  expect(onRecoverableError).not.toHaveBeenCalled();
  expect(FakeService.streams.length).toBe(2);
});

test("this is the React that the project is named after", ({ task }) => {
  expect(`react-${version.split(".")[0]}`).toBe(task.file.projectName);
});
