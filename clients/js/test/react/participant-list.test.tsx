import { readFileSync } from "node:fs";
import { act } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";

import { ParticipantList, type ParticipantListProps } from "../../src/react/index.js";
import type { Participant } from "../../src/types.js";
import { FakeCall, inCall } from "./call.js";
import { Provider, settle, show, type Page } from "./page.js";
import { FakeService, inside, invited, someone, track } from "./service.js";

const claims = (video: object) => `h.${btoa(JSON.stringify({ video }))}.s`;
const MODERATOR = claims({ roomAdmin: true, room: "stage" });
const READER = claims({ roomJoin: true, room: "stage" });

const alice = someone("alice", { tracks: [track("MICROPHONE"), track("CAMERA")] });
const bob = someone("bob", { name: " " });

async function list(props: Partial<ParticipantListProps> = {}, token = MODERATOR, people = [alice, bob]) {
  const page = await show(
    <Provider token={token}>
      <ParticipantList room="stage" {...props} />
    </Provider>,
  );
  await settle();
  FakeService.welcome({ stage: people }, 1, FakeService.streamOf("livekit/participants/stream"));
  if (props.moderate)
    FakeService.roster("stage", [inside("alice"), inside("bob", { role: "speaker" }), invited("zoe")]);
  await settle();
  return page;
}

const say = (people: Participant[], version: number) =>
  FakeService.list("stage", people, version, FakeService.streamOf("livekit/participants/stream"));
const all = (page: Page, selector: string) => [...page.element.querySelectorAll<HTMLElement>(selector)];
const rows = (page: Page) => all(page, "li").map((row) => row.textContent);
const buttons = (page: Page) => all(page, "button").map((button) => button.textContent);
const button = (page: Page, text: string) => all(page, "button").find(({ textContent }) => textContent === text)!;

async function press(page: Page, text: string): Promise<void> {
  button(page, text).focus();
  await act(async () => button(page, text).click());
  await settle();
}

test("everybody sees who is there and what they send, and no buttons and no roster", async () => {
  const page = await list({}, READER);
  expect(rows(page)).toEqual(["Alicemicrophone on, camera on", "bobmicrophone off"]);
  expect(page.element.querySelector("section")!.getAttribute("aria-label")).toBe("People in stage");
  expect(buttons(page)).toEqual([]);
  expect(FakeService.streams.length).toBe(1);
  say([], 2);
  expect(page.text()).toBe("Nobody is here.");
});

test("only those whose token moderates this room have buttons", async () => {
  const page = await list({ moderate: true }, READER);
  expect(buttons(page)).toEqual([]);
  await page.unmount();
  await settle(1_000);
  const moderated = await list({ moderate: true });
  expect(buttons(moderated)).toEqual([
    ...["Mute Alice", "Promote Alice", "Remove Alice", "Ban Alice"],
    ...["Muted bob", "Demote bob", "Remove bob", "Ban bob"],
  ]);
  expect(rows(moderated)[0]).toContain("viewer");
  await moderated.unmount();
  await settle(1_000);
  const withCookie = await list({ moderate: "cookie" }, READER);
  expect(buttons(withCookie).length).toBe(8);
});

test("each button does what it says, at once, and keeps the keyboard focus", async () => {
  const page = await list({ moderate: true });
  let answer = () => {};
  const answered = new Promise<void>((resolve) => (answer = resolve));
  FakeService.carryOut = () => answered.then(() => ({ status: 403, body: {} }));
  await press(page, "Mute Alice");
  expect(rows(page)[0]).toContain("microphone off");
  expect(document.activeElement!.textContent).toBe("Muted Alice");
  expect(document.activeElement!.getAttribute("aria-disabled")).toBe("true");
  await press(page, "Muted Alice");
  await press(page, "Promote Alice");
  expect(document.activeElement!.textContent).toBe("Demote Alice");
  await press(page, "Demote bob");
  expect(FakeService.calls.map(({ method, path, body }) => [method, path, body])).toEqual([
    ["PATCH", "stage/participants/alice/tracks/TR_MICROPHONE", { muted: true }],
    ["PATCH", "stage/roster/bob", { role: "viewer" }],
  ]);
  answer();
  await settle();
  expect(rows(page)[0]).toContain("microphone on");
});

test("a ban asks first, and Escape and Cancel go back to where it was asked", async () => {
  const page = await list({ moderate: true });
  FakeService.carryOut = ({ body }) => ({ status: 200, body });
  await press(page, "Ban Alice");
  expect(page.text()).toContain("Ban for ever: Alice?");
  expect(document.activeElement!.textContent).toBe("Cancel");
  await press(page, "Cancel");
  expect(document.activeElement!.textContent).toBe("Ban Alice");
  await press(page, "Ban Alice");
  const escape = new KeyboardEvent("keydown", { key: "Escape", bubbles: true });
  await act(async () => void document.activeElement!.dispatchEvent(escape));
  expect(document.activeElement!.textContent).toBe("Ban Alice");
  expect(FakeService.calls).toEqual([]);
  await press(page, "Ban Alice");
  await press(page, "Ban Alice");
  expect(FakeService.calls.map(({ path }) => path)).toEqual(["stage/bans/alice"]);
  expect(rows(page).length, "gone at once").toBe(1);
  expect(document.activeElement, "the focus stays in the list").toBe(page.element.querySelector("section"));
});

test("who leaves while somebody reads elsewhere takes no focus there", async () => {
  const page = await list({ moderate: true });
  button(page, "Mute Alice").focus();
  button(page, "Mute Alice").blur();
  await settle();
  say([bob], 2);
  expect(document.activeElement).toBe(document.body);
});

test("why the service refuses is said aloud, and can be dismissed", async () => {
  const page = await list({ moderate: true });
  const alert = page.element.querySelector("[role=alert]")!;
  expect(alert.textContent).toBe("");
  FakeService.carryOut = () => ({ status: 403, body: { detail: "LiveKit refuses" } });
  await press(page, "Remove Alice");
  expect(alert.textContent).toBe("LiveKit refusesDismiss");
  expect(rows(page).length, "she is still there").toBe(2);
  await press(page, "Dismiss");
  expect(alert.textContent).toBe("");
});

test("where the service keeps no roster, LiveKit's permission is changed", async () => {
  FakeService.answer = () => ({ status: 404, body: { detail: "no roster" } });
  const page = await show(
    <Provider token={MODERATOR}>
      <ParticipantList room="stage" moderate />
    </Provider>,
  );
  await settle();
  const permission = { canPublish: false, canSubscribe: true, canPublishData: true };
  const people = [alice, { ...bob, permission }];
  FakeService.welcome({ stage: people }, 1, FakeService.streamOf("livekit/participants/stream"));
  FakeService.streamOf("livekit/rooms/stream").end(false);
  await settle(1_000);
  await press(page, "Promote bob");
  await press(page, "Demote Alice");
  expect(FakeService.calls.map(({ path, body }) => [path, body])).toEqual([
    ["stage/participants/bob", { permission: { canPublish: true } }],
    ["stage/participants/alice", { permission: { canPublish: false } }],
  ]);
});

test("inside a call who speaks shows, and nobody throws themselves out by mistake", async () => {
  const call = new FakeCall("stage");
  call.join(inCall("alice", { isSpeaking: true, connectionQuality: "poor" }));
  const page = await list({ moderate: true, livekitRoom: call }, MODERATOR, [alice, someone("me")]);
  expect(rows(page)[0]).toContain("speaking, microphone off, poor connection");
  expect(all(page, "li")[0]!.dataset["speaking"]).toBe("true");
  expect(buttons(page).filter((text) => text.includes("Me"))).toEqual(["Muted Me", "Promote Me"]);
});

test("all texts can be translated, roles be others, and there may be no room", async () => {
  const labels = { title: "Leute in", nobody: "Niemand ist hier.", mute: "Stumm", promote: "Befördern" };
  const page = await list({ moderate: true, labels, className: "own", roles: { viewer: "speaker", speaker: "host" } });
  expect(buttons(page)).toContain("Stumm Alice");
  expect(buttons(page), "a viewer is neither").not.toContain("Befördern Alice");
  await press(page, "Befördern bob");
  expect(FakeService.calls[0]!.body).toEqual({ role: "host" });
  expect(page.element.querySelector("section")!.className).toBe("livekit-presence-list own");
  const html = renderToString(
    <Provider>
      <ParticipantList room={null} labels={labels} />
    </Provider>,
  );
  expect(html).toContain("Niemand ist hier.");
});

test("each of its classes has styles", async () => {
  const css = readFileSync("src/react/styles.css", "utf8");
  const page = await list({ moderate: true });
  FakeService.carryOut = () => ({ status: 403, body: { detail: "LiveKit refuses" } });
  await press(page, "Remove Alice");
  await press(page, "Ban bob");
  const names = all(page, "[class]").flatMap(({ classList }) => [...classList]);
  say([], 2);
  await settle();
  names.push(...all(page, "[class]").flatMap(({ classList }) => [...classList]));
  expect(names).toContain("livekit-presence-list-note");
  for (const name of names) expect(css).toMatch(new RegExp(`\\.${name}( \\{|,\\n)`, "u"));
  expect(page.element.querySelector("[style], style")).toBeNull();
});
