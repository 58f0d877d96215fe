import { StrictMode } from "react";
import { expect, test } from "vitest";

import { useParticipants } from "../../src/react/index.js";
import { errorOf, Provider, settle, show } from "./page.js";
import { FakeService } from "./service.js";

function Room({ name = "general" }: { name?: string }) {
  return <p>{useParticipants(name).status}</p>;
}

const tokenOf = (index: number) => FakeService.streams[index]!.address.searchParams.get("access_token");

test("nothing is opened before a component shows something", async () => {
  await show(<Provider token={() => "never"} />);
  await settle(5_000);
  expect(FakeService.streams).toEqual([]);
});

test("an inline token function does not reconnect at each render", async () => {
  const page = await show(
    <Provider token={() => "first"}>
      <Room />
    </Provider>,
  );
  await settle();
  FakeService.welcome({});
  for (const token of ["second", "third"]) {
    await page.render(
      <Provider token={() => token}>
        <Room />
      </Provider>,
    );
    await settle(2_000);
  }
  expect(FakeService.streams.length).toBe(1);
  expect(tokenOf(0)).toBe("first");
});

test("the newest token function is called when a token is needed", async () => {
  const expires = (seconds: number) => `.${btoa(JSON.stringify({ exp: Date.now() / 1_000 + seconds }))}.`;
  const [early, late] = [expires(20), expires(1_000)];
  const page = await show(
    <Provider token={() => early}>
      <Room />
    </Provider>,
  );
  await settle();
  FakeService.welcome({});
  await page.render(
    <Provider token={() => late}>
      <Room />
    </Provider>,
  );
  await settle(18_500);
  expect(tokenOf(1)).toBe(late);
});

test("components that mount together with another function are asked for by it", async () => {
  const page = await show(
    <StrictMode>
      <Provider token={() => "first"} />
    </StrictMode>,
  );
  await page.render(
    <StrictMode>
      <Provider token={() => "second"}>
        <Room />
      </Provider>
    </StrictMode>,
  );
  await settle();
  expect(tokenOf(0)).toBe("second");
});

test("another token that is a string reconnects", async () => {
  const page = await show(
    <Provider token="first">
      <Room />
    </Provider>,
  );
  await settle();
  await page.render(
    <Provider token="first">
      <Room />
    </Provider>,
  );
  await settle();
  expect(FakeService.streams.length).toBe(1);
  await page.render(
    <Provider token="second">
      <Room />
    </Provider>,
  );
  await settle(1_000);
  expect(FakeService.streams.length).toBe(2);
  expect(FakeService.stream.address.searchParams.get("access_token")).toBe("second");
});

test("`whenHidden` can change, which opens nothing", async () => {
  const hide = (isHidden: boolean) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: isHidden });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const page = await show(
    <Provider token="first">
      <Room />
    </Provider>,
  );
  await settle();
  await page.render(
    <Provider token="first" whenHidden="keep">
      <Room />
    </Provider>,
  );
  hide(true);
  FakeService.welcome({});
  await settle(40_000);
  expect([FakeService.streams.length, FakeService.open.length]).toEqual([1, 1]);
  hide(false);
  await page.render(
    <Provider token="first" whenHidden="close">
      <Room />
    </Provider>,
  );
  hide(true);
  await settle(1);
  expect(FakeService.open.length).toBe(0);
  hide(false);
});

test("another url connects there", async () => {
  const page = await show(
    <Provider url="https://one.example/">
      <Room />
    </Provider>,
  );
  await settle();
  await page.render(
    <Provider url="https://two.example/presence">
      <Room />
    </Provider>,
  );
  await settle(1_000);
  expect(FakeService.streams.map(({ address }) => address.origin + address.pathname)).toEqual([
    "https://one.example/api/livekit/participants/stream",
    "https://two.example/presence/api/livekit/participants/stream",
  ]);
  expect(FakeService.open.length).toBe(1);
});

test("a provider inside another is an error that says so", async () => {
  expect(
    await errorOf(
      <Provider>
        <Provider>
          <Room />
        </Provider>
      </Provider>,
    ),
  ).toBe("<PresenceProvider> is inside another one: keep the outer one, its connections serve all hooks");
});

test("a page that is gone within a moment opens nothing", async () => {
  const page = await show(<Provider />);
  await page.render(
    <Provider>
      <Room />
    </Provider>,
  );
  await page.unmount();
  await settle(1_000);
  expect(FakeService.open).toEqual([]);
});
