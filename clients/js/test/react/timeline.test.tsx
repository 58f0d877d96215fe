import { readFileSync } from "node:fs";
import { act } from "react";
import { renderToString } from "react-dom/server";
import { beforeEach, expect, test, vi } from "vitest";

import { AttendanceTimeline, type Attendee, type AttendanceTimelineProps, type Span } from "../../src/react/index.js";
import { contrast } from "./contrast.js";
import { Provider, settle, show, type Page } from "./page.js";
import { FakeService, someone, track } from "./service.js";

const NOW = new Date(2026, 5, 1, 12).getTime();
const MINUTE = 60_000;
const ago = (minutes: number) => NOW - minutes * MINUTE;

/** What the service keeps. */
let people: Attendee[] = [];

beforeEach(() => {
  vi.setSystemTime(NOW);
  // After a change the rows are fetched as early as may be.
  vi.spyOn(Math, "random").mockReturnValue(0);
  people = [];
  FakeService.answer = () => ({ status: 200, body: { toMs: Date.now(), people } });
});

function attendee(identity: string, intervals: Span[], more: Partial<Attendee["sessions"][number]> = {}): Attendee {
  const times = { joinedAtMs: intervals[0]![0], leftAtMs: intervals[intervals.length - 1]![1] };
  const media = { microphone: [], camera: [], screen: [] };
  const session = { sid: `PA_${identity}`, ...times, exact: true, intervals, ...media, ...more };
  return { identity, name: identity.toUpperCase(), kind: "STANDARD", sessions: [session] };
}

async function timeline(props: Partial<AttendanceTimelineProps> = {}): Promise<Page> {
  const page = await show(
    <Provider>
      <AttendanceTimeline room="general" {...props} />
    </Provider>,
  );
  await settle(10);
  return page;
}

const all = (page: Page, selector: string) => [...page.element.querySelectorAll(selector)];
const barsOf = (page: Page, part: string) =>
  all(page, `.livekit-presence-timeline-bars .livekit-presence-timeline-${part}`).map(
    (bar) => `${bar.getAttribute("x")} ${bar.getAttribute("width")}`,
  );
const cells = (page: Page) => all(page, "tbody tr").map((row) => [...row.children].map((cell) => cell.textContent));
const note = (page: Page) => page.element.querySelector("[role=status]")!.textContent;
const asked = () => FakeService.asked.filter(({ path }) => path.includes("/attendance"));
const clock = (time: number) =>
  new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

async function press(page: Page, text: string): Promise<void> {
  const button = all(page, "button").find((button) => button.textContent === text) as HTMLButtonElement;
  await act(async () => button.click());
  await settle(10);
}

test("each person is a bar, with lighter ones in it, and the same is a table", async () => {
  people = [
    attendee("anouk", [[ago(45), ago(30)]], { microphone: [[ago(45), ago(36)]], camera: [[ago(33), ago(30)]] }),
    attendee("bob", [[ago(15), null]]),
  ];
  FakeService.answer = () => ({ status: 200, body: { toMs: NOW, people } });
  const page = await timeline();
  expect(barsOf(page, "inside")).toEqual(["25% 25%", "75% 25%"]);
  expect(barsOf(page, "microphone")).toEqual(["25% 15%"]);
  expect(barsOf(page, "camera")).toEqual(["45% 5%"]);
  expect(cells(page)).toEqual([
    ["ANOUK", clock(ago(45)), clock(ago(30)), "15 min", "9 min", "3 min", "–"],
    ["BOB", clock(ago(15)), "still inside", "15 min", "–", "–", "–"],
  ]);
  expect(page.element.querySelector("caption")!.textContent).toBe(
    `Who was in general, ${clock(ago(60))} – ${clock(NOW)}`,
  );
  expect(page.text()).toContain("People: 1 now, at most 1");
  expect(all(page, "th[scope]").length).toBe(9);
});

test("who comes is drawn at once, and the bars move on by themselves without a request", async () => {
  const page = await timeline();
  expect(note(page)).toBe("Nobody was here.");
  FakeService.welcome({ general: [] });
  FakeService.list("general", [someone("anouk", { joinedAt: Date.now(), tracks: [track("MICROPHONE")] })], 2);
  await settle();
  expect(note(page)).toBe("");
  expect(barsOf(page, "inside")).toEqual(["99.75% 0.25%"]);
  expect(barsOf(page, "microphone").length).toBe(1);
  people = [attendee("anouk", [[Date.now(), null]], { microphone: [[Date.now(), null]] })];
  await settle(1_000);
  expect(asked().length).toBe(2);
  await settle(30 * MINUTE);
  expect(asked().length).toBe(2);
  expect(parseFloat(barsOf(page, "inside")[0]!)).toBeCloseTo(50, 0);
});

test("people keep their rows and bars while time passes and others come", async () => {
  people = [attendee("anouk", [[ago(0.1), null]]), attendee("bob", [[ago(0.05), null]])];
  const page = await timeline();
  await press(page, "Table");
  await press(page, "Table");
  const lines = all(page, "tbody tr");
  const bars = all(page, ".livekit-presence-timeline-bars");
  const texts = cells(page);
  people = [attendee("zoe", [[ago(50), ago(40)]]), ...people];
  FakeService.welcome({ general: [someone("anouk", { joinedAt: ago(0.1) }), someone("bob", { joinedAt: ago(0.05) })] });
  FakeService.list("general", [someone("anouk", { joinedAt: ago(0.1) })], 2);
  await settle(20_000);
  expect(cells(page).map(([name]) => name)).toEqual(["ZOE", "ANOUK", "BOB"]);
  expect(cells(page).slice(1), "time has passed").not.toEqual(texts);
  for (const [index, line] of lines.entries()) expect(all(page, "tbody tr")[index + 1]).toBe(line);
  for (const [index, bar] of bars.entries()) expect(all(page, ".livekit-presence-timeline-bars")[index + 1]).toBe(bar);
});

test("who leaves stays, as a bar that has ended", async () => {
  people = [attendee("anouk", [[ago(30), null]])];
  const page = await timeline();
  FakeService.welcome({ general: [someone("anouk", { joinedAt: ago(30) })] });
  await settle(20_000);
  FakeService.list("general", [], 2);
  await settle(20_000);
  expect(cells(page)[0]!.slice(2, 4)).toEqual([clock(NOW + 20_000), "30 min"]);
  const [x, width] = barsOf(page, "inside")[0]!.split(" ").map(parseFloat);
  expect(x! + width!, "the right edge has moved on").toBeLessThan(99.6);
});

test("a button shows the table to those who look, too, and the keyboard scrolls it", async () => {
  people = [attendee("anouk", [[ago(30), null]])];
  const page = await timeline();
  expect(all(page, "[tabindex]")).toEqual([]);
  expect(page.element.querySelector(".livekit-presence-timeline-unseen table")).not.toBeNull();
  expect(page.element.querySelector(".livekit-presence-timeline-picture")!.getAttribute("aria-hidden")).toBe("true");
  await press(page, "Table");
  expect(
    page.element.querySelector(".livekit-presence-timeline-unseen, .livekit-presence-timeline-picture"),
  ).toBeNull();
  const region = page.element.querySelector("[role=region][tabindex='0']")!;
  expect(region.querySelector("table")).not.toBeNull();
  expect(region.getAttribute("aria-label")).toContain("Who was in general");
});

test("the last day is a press away", async () => {
  const page = await timeline();
  const pressed = () => all(page, "[role=group] [aria-pressed=true]").map(({ textContent }) => textContent);
  expect(pressed()).toEqual(["Last hour"]);
  people = [attendee("anouk", [[ago(12 * 60), ago(6 * 60)]])];
  await press(page, "Last day");
  expect(pressed()).toEqual(["Last day"]);
  const { path } = asked()[asked().length - 1]!;
  expect(NOW - Number(new URLSearchParams(path.split("?")[1]).get("from"))).toBeGreaterThan(23.9 * 60 * MINUTE);
  expect(parseFloat(barsOf(page, "inside")[0]!)).toBeCloseTo(50, 0);
});

test("a service without a history says so, and nothing else is shown", async () => {
  FakeService.answer = () => ({ status: 404, body: { detail: "set `history.url`" } });
  const page = await timeline();
  expect(page.text()).toBe("This service keeps no history.");
  expect(all(page, "button, table, svg")).toEqual([]);
});

test("a refusal is shown with its reason", async () => {
  FakeService.answer = () => ({ status: 403, body: { detail: "show a token with roomAdmin" } });
  const page = await timeline();
  expect(note(page)).toBe("show a token with roomAdmin");
});

test("a time of leaving that nobody has said is marked", async () => {
  people = [attendee("anouk", [[ago(45), ago(30)]], { exact: false })];
  const page = await timeline();
  expect(cells(page)[0]![2]).toBe(`about ${clock(ago(30))}`);
});

test("a crowd is drawn a hundred at a time", async () => {
  people = Array.from({ length: 150 }, (_, number) => attendee(`person ${number}`, [[ago(30), null]]));
  const page = await timeline();
  expect(all(page, "tbody tr").length).toBe(100);
  expect(page.text()).toContain("People: 150 now, at most 150");
  await press(page, "Show more");
  expect(all(page, "tbody tr").length).toBe(150);
});

test("another room is another history", async () => {
  const node = (room: string | null) => (
    <Provider>
      <AttendanceTimeline room={room} />
    </Provider>
  );
  const page = await show(node(null));
  await settle(10);
  expect(FakeService.asked).toEqual([]);
  expect(note(page)).toBe("No room is chosen.");
  expect(page.element.querySelector("section")!.dataset.status).toBe("idle");
  for (const room of ["general", "music"]) {
    await page.render(node(room));
    await settle(10);
    expect(asked()[asked().length - 1]!.path).toContain(`/rooms/${room}/attendance`);
  }
});

test("its words can be translated, and a class added", async () => {
  const labels = { nobody: "Niemand war da.", hour: "Letzte Stunde" };
  const page = await timeline({ labels, className: "wide" });
  expect(note(page)).toBe("Niemand war da.");
  expect(page.text()).toContain("Letzte Stunde");
  expect(page.element.querySelector(".livekit-presence-timeline.wide")).not.toBeNull();
});

test("a server renders it without a request, and without a time that the browser would not have", async () => {
  const html = renderToString(
    <Provider>
      <AttendanceTimeline room="general" />
    </Provider>,
  );
  expect(html).toContain("Loading…");
  expect(html).not.toContain("table>");
  await settle(1_000);
  expect(FakeService.asked).toEqual([]);
});

test("nothing has a style of its own, and each class and colour is in the styles", async () => {
  const css = readFileSync("src/react/styles.css", "utf8");
  people = [attendee("anouk", [[ago(45), null]], { microphone: [[ago(45), null]], camera: [[ago(45), null]] })];
  const page = await timeline();
  const used = () => all(page, "[class]").flatMap(({ classList }) => [...classList]);
  const names = [...used()];
  await press(page, "Table");
  for (const name of [...names, ...used()]) expect(css).toMatch(new RegExp(`\\.${name}( \\{|,\\n)`, "u"));
  expect(page.element.querySelector("[style], style")).toBeNull();
  const [bar, microphone, camera] = ["bar", "bar-microphone", "bar-camera"].map((name) =>
    new RegExp(`--livekit-presence-${name}, light-dark\\((#\\w{6}), (#\\w{6})\\)`, "u").exec(css)!.slice(1),
  );
  for (const [scheme, grounds] of [
    ["#ffffff", "#f0f0f0"],
    ["#000000", "#2b2d31"],
  ].entries()) {
    for (const ground of grounds) expect(contrast(bar![scheme]!, ground)).toBeGreaterThanOrEqual(3);
    for (const lane of [microphone!, camera!]) expect(contrast(lane[scheme]!, bar![scheme]!)).toBeGreaterThanOrEqual(3);
  }
});
