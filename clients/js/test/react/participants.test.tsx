import { act, StrictMode } from "react";
import { expect, test } from "vitest";

import { useParticipants, type Participants } from "../../src/react/index.js";
import { errorOf, Provider, settle, show } from "./page.js";
import { FakeService, someone } from "./service.js";

const seen = new Map<string, Participants[]>();

/** Shows a room, and notes each of its renders. */
function Room({ name, as = name ?? "none" }: { name: string | null; as?: string }) {
  const room = useParticipants(name);
  seen.set(as, [...(seen.get(as) ?? []), room]);
  return <p>{`${room.status}:${room.participants.map(({ name }) => name).join(",")};`}</p>;
}

const rendersOf = (as: string) => seen.get(as)!.length;
const lastOf = (as: string) => seen.get(as)!.at(-1)!;

test("a room is shown, and each change of it", async () => {
  seen.clear();
  const page = await show(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  expect(page.text()).toBe("connecting:;");
  await settle();
  expect(FakeService.stream.address.pathname).toBe("/api/livekit/participants/stream");
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  expect(page.text()).toBe("live:Anouk;");
  FakeService.list("general", [someone("anouk"), someone("ben")], 2);
  await settle();
  expect(page.text()).toBe("live:Anouk,Ben;");
  expect(lastOf("general")).toMatchObject({ version: 2, error: null, lastEventAt: Date.now() });
});

test("StrictMode opens exactly one stream", async () => {
  const page = await show(
    <StrictMode>
      <Provider>
        <Room name="general" />
        <Room name="support" />
      </Provider>
    </StrictMode>,
  );
  await settle(5_000);
  expect(FakeService.streams.map(({ rooms }) => rooms)).toEqual([["general", "support"]]);
  await page.unmount();
  await settle(1_000);
  expect(FakeService.open).toEqual([]);
  expect(FakeService.streams.length).toBe(1);
});

test("several components of one room share its list", async () => {
  seen.clear();
  await show(
    <Provider>
      <Room name="general" as="list" />
      <Room name="general" as="count" />
    </Provider>,
  );
  await settle();
  expect(FakeService.streams.map(({ rooms }) => rooms)).toEqual([["general"]]);
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  expect(lastOf("list").participants.length).toBe(1);
  expect(lastOf("list")).toBe(lastOf("count"));
});

test("one that goes leaves the room to the other", async () => {
  seen.clear();
  const page = await show(
    <Provider>
      <Room name="general" as="list" />
      <Room name="general" as="count" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [] });
  await page.render(
    <Provider>
      <Room name="general" as="list" />
    </Provider>,
  );
  await settle(5_000);
  FakeService.list("general", [someone("ben")], 2);
  await settle();
  expect(page.text()).toBe("live:Ben;");
  expect(FakeService.streams.length).toBe(1);
});

test("a component renders again only when its room or the link changed", async () => {
  seen.clear();
  await show(
    <Provider>
      <Room name="general" />
      <Room name="support" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [someone("anouk")], support: [] });
  await settle();
  const [general, support] = [rendersOf("general"), rendersOf("support")];
  const before = lastOf("support");
  await settle(2_000);
  FakeService.list("general", [someone("anouk"), someone("ben")], 2);
  FakeService.stream.send("heartbeat", { t: 1 });
  await settle();
  expect(rendersOf("general")).toBe(general + 1);
  expect(rendersOf("support")).toBe(support);
  expect(lastOf("general").lastEventAt).toBeGreaterThan(before.lastEventAt!);
  FakeService.stream.end(true);
  await settle();
  expect(rendersOf("support")).toBe(support + 1);
  expect(lastOf("support")).toMatchObject({ status: "connecting", lastEventAt: before.lastEventAt });
});

test("the result is the same object when a parent renders again", async () => {
  seen.clear();
  const page = await show(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  const before = lastOf("general");
  await page.render(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  expect(lastOf("general")).toBe(before);
});

test("who did not change is the same object", async () => {
  seen.clear();
  await show(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  await settle();
  const anouk = someone("anouk");
  FakeService.welcome({ general: [anouk] });
  await settle();
  const [before] = lastOf("general").participants;
  FakeService.list("general", [anouk, someone("ben")], 2);
  await settle();
  expect(lastOf("general").participants[0]).toBe(before);
});

test("another room replaces the one before, with one stream for each", async () => {
  const page = await show(
    <Provider>
      <Room name="general" as="one" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  await page.render(
    <Provider>
      <Room name="support" as="one" />
    </Provider>,
  );
  expect(page.text()).toBe("connecting:;");
  await settle(5_000);
  FakeService.welcome({ support: [someone("ben")] });
  await settle();
  expect(page.text()).toBe("live:Ben;");
  expect(FakeService.streams.map(({ rooms }) => rooms)).toEqual([["general"], ["support"]]);
});

test("a room that is back within a moment costs no other stream, and keeps its list", async () => {
  const page = await show(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [someone("anouk")] });
  await page.render(<Provider />);
  await settle(900);
  await page.render(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  await settle(5_000);
  expect(page.text()).toBe("live:Anouk;");
  expect(FakeService.streams.length).toBe(1);
});

test("a room stays for its own moment, whatever went before it", async () => {
  const page = await show(
    <Provider>
      <Room name="general" />
      <Room name="support" />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ general: [someone("anouk")], support: [someone("ben")] });
  await page.render(
    <Provider>
      <Room name="support" />
    </Provider>,
  );
  await settle(500);
  await page.render(<Provider />);
  await settle(900);
  await page.render(
    <Provider>
      <Room name="support" />
    </Provider>,
  );
  expect(page.text()).toBe("live:Ben;");
});

test("without a room nothing is watched", async () => {
  const page = await show(
    <Provider>
      <Room name={null} />
      <Room name="" />
    </Provider>,
  );
  await settle(1_000);
  expect(page.text()).toBe("connecting:;connecting:;");
  expect(FakeService.streams).toEqual([]);
  expect(FakeService.asked).toEqual([]);
});

test("a refusal is shown with what to do about it, and reconnect tries again", async () => {
  seen.clear();
  await show(
    <Provider>
      <Room name="general" />
    </Provider>,
  );
  await settle();
  FakeService.answer = () => ({ status: 403, body: { detail: "show a token for this room" } });
  FakeService.stream.end(false);
  await settle();
  expect(lastOf("general")).toMatchObject({
    status: "error",
    error: { status: 403, message: "show a token for this room" },
  });
  act(() => lastOf("general").reconnect());
  await settle();
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  expect(lastOf("general")).toMatchObject({ status: "live", error: null });
});

test("a hook without a provider says what is missing", async () => {
  expect(await errorOf(<Room name="general" />)).toBe(
    "useParticipants needs a <PresenceProvider> above the component that uses it",
  );
});
