import { readFileSync } from "node:fs";
import { act } from "react";
import { expect, test } from "vitest";

import { LiveIndicator, useParticipants, type LiveIndicatorProps } from "../../src/react/index.js";
import { contrast } from "./contrast.js";
import { Provider, settle, show, type Page } from "./page.js";
import { FakeService, someone } from "./service.js";

function Shown(props: LiveIndicatorProps) {
  useParticipants("general");
  return <LiveIndicator {...props} />;
}

const statusOf = (page: Page) => page.element.querySelector("[role=status]")!;
const buttonOf = (page: Page) => page.element.querySelector("button");

/** The stream is over, and the answer to the question for the list is this. */
async function lose(status: number, detail = ""): Promise<void> {
  FakeService.answer = () => ({ status, body: { detail } });
  FakeService.stream.end(false);
  await settle();
}

test("it says what the status is, politely", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  expect(statusOf(page).textContent).toBe("CONNECTING");
  expect(statusOf(page).getAttribute("aria-live")).toBe("polite");
  FakeService.welcome({ general: [someone("anouk")] });
  await settle();
  expect(statusOf(page).textContent).toBe("LIVE");
  expect(page.element.querySelector(".livekit-presence-indicator")!.getAttribute("data-status")).toBe("live");
  expect(buttonOf(page)).toBeNull();
});

test("its tooltip has the time of the last change", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  expect(statusOf(page).hasAttribute("title")).toBe(false);
  FakeService.welcome({ general: [] });
  await settle();
  expect(statusOf(page).getAttribute("title")).toBe(`Last change: ${new Date().toLocaleTimeString()}`);
});

test("while lists are polled it does not say that it is live", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  FakeService.answer = () => ({ status: 200, body: [], etag: '"7"' });
  FakeService.stream.end(false);
  await settle();
  expect(statusOf(page).textContent).toBe("POLLING");
  expect(buttonOf(page)).toBeNull();
});

test("an error has a reason, and a button that reconnects", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  await lose(403, "show a token for this room");
  expect(statusOf(page).textContent).toBe("ERROR: show a token for this room");
  expect(statusOf(page).getAttribute("title")).toBe("show a token for this room");
  const button = buttonOf(page)!;
  await act(async () => button.focus());
  await act(async () => button.click());
  await settle();
  expect(FakeService.streams.length).toBe(2);
  expect(statusOf(page).textContent).toBe("CONNECTING");
  expect(document.activeElement).toBe(button);
});

test("a service that does not answer is disconnected, with a button too", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  await lose(502);
  expect(statusOf(page).textContent).toBe("DISCONNECTED");
  expect(buttonOf(page)!.textContent).toBe("Reconnect");
});

test("its words can be translated, and a class added", async () => {
  const labels = { disconnected: "GETRENNT", reconnect: "Neu verbinden" };
  const page = await show(
    <Provider>
      <Shown labels={labels} className="corner" />
    </Provider>,
  );
  await settle();
  expect(statusOf(page).textContent).toBe("CONNECTING");
  await lose(502);
  expect(statusOf(page).textContent).toBe("GETRENNT");
  expect(buttonOf(page)!.textContent).toBe("Neu verbinden");
  expect(page.element.querySelector(".livekit-presence-indicator.corner")).not.toBeNull();
});

test("nothing has a style of its own, for strict content security policies", async () => {
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  await lose(403);
  expect(page.element.querySelector("[style], style")).toBeNull();
});

test("each of its classes has styles, and each colour enough contrast", async () => {
  const css = readFileSync("src/react/styles.css", "utf8");
  const page = await show(
    <Provider>
      <Shown />
    </Provider>,
  );
  await settle();
  await lose(403);
  for (const { classList } of page.element.querySelectorAll("[class]")) {
    for (const name of classList) expect(css).toContain(`.${name} {`);
  }
  // Those of <ParticipantList> too; the bars of <AttendanceTimeline> are no text.
  const pairs = [...css.matchAll(/(?<!bar\S*, )light-dark\((#\w{6}), (#\w{6})\)/g)];
  expect(pairs.length).toBe(9);
  for (const [, light, dark] of pairs) {
    expect(contrast(light!, "#ffffff"), light).toBeGreaterThanOrEqual(4.5);
    expect(contrast(light!, "#f0f0f0"), light).toBeGreaterThanOrEqual(4.5);
    expect(contrast(dark!, "#000000"), dark).toBeGreaterThanOrEqual(4.5);
    expect(contrast(dark!, "#2b2d31"), dark).toBeGreaterThanOrEqual(4.5);
  }
});
