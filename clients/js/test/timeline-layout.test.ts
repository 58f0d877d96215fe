import { expect, test } from "vitest";

import { timelineOf } from "../src/attendance/layout.js";
import type { AttendanceRange } from "../src/attendance/types.js";
import { durationOf } from "../src/attendance/words.js";
import { ago, attendee, MINUTE, NOW, session } from "./history.js";

test("a bar begins where its session began, and one that goes on ends at the right edge", () => {
  const alice = attendee("alice", session("PA_1", [[ago(45), ago(30)]]), session("PA_2", [[ago(15), null]]));
  const [row] = timelineOf([alice], "hour", NOW).rows;
  expect(row!.inside).toEqual([
    { x: 25, width: 25, isOpen: false },
    { x: 75, width: 25, isOpen: true },
  ]);
  expect(row).toMatchObject({ isInside: true, leftAt: null, joinedAt: ago(45), insideMs: 30 * MINUTE });
});

test("two sessions at once are one bar, and their time counts once", () => {
  const alice = attendee("alice", session("PA_1", [[ago(40), ago(20)]]), session("PA_2", [[ago(30), ago(10)]]));
  const { rows, peak } = timelineOf([alice], "hour", NOW);
  expect(rows[0]!.inside).toEqual([{ x: 33.333, width: 50, isOpen: false }]);
  expect(rows[0]!.insideMs).toBe(30 * MINUTE);
  expect(rows[0]!.leftAt).toBe(ago(10));
  expect(peak, "one person").toBe(1);
});

test("what was before the range is cut off, and who was only there before is left out", () => {
  const people = [
    attendee("early", session("PA_1", [[ago(90), ago(60)]])),
    attendee(
      "alice",
      session("PA_2", [[ago(90), ago(30)]], { microphone: [[ago(70), ago(45)]], camera: [[ago(80), ago(61)]] }),
    ),
  ];
  const { rows } = timelineOf(people, "hour", NOW);
  expect(rows.map(({ identity }) => identity)).toEqual(["alice"]);
  expect(rows[0]).toMatchObject({
    joinedAt: ago(90),
    insideMs: 30 * MINUTE,
    microphoneMs: 15 * MINUTE,
    cameraMs: 0,
    inside: [{ x: 0, width: 50 }],
    microphone: [{ x: 0, width: 25 }],
    camera: [],
  });
  expect(timelineOf(people, "day", NOW).rows.length, "a day ago").toBe(2);
});

test("a moment is wide enough to be seen, also at the right edge", () => {
  const alice = attendee("alice", session("PA_1", [[NOW - 1, NOW - 1]]), session("PA_2", [[NOW + 900, null]]));
  const { inside } = timelineOf([alice], "hour", NOW).rows[0]!;
  expect(inside).toEqual([
    { x: 99.75, width: 0.25, isOpen: false },
    { x: 99.75, width: 0.25, isOpen: true },
  ]);
});

test("people are ordered by first join, then by identity", () => {
  const at = (identity: string, minutes: number) =>
    attendee(identity, session(`PA_${identity}`, [[ago(minutes), null]]));
  const { rows } = timelineOf([at("b", 5), at("c", 9), at("a", 5)], "hour", NOW);
  expect(rows.map(({ name }) => name)).toEqual(["c", "a", "b"]);
});

test("the chart counts people, not agents, and not twice who comes back at once", () => {
  const people = [
    attendee("alice", session("PA_1", [[ago(60), ago(30)]])),
    attendee("bob", session("PA_2", [[ago(30), null]])),
    attendee("carol", session("PA_3", [[ago(15), null]])),
    { ...attendee("helper", session("PA_4", [[ago(60), null]])), kind: "AGENT" },
  ];
  const { peak, peopleNow, chart, rows } = timelineOf(people, "hour", NOW);
  expect({ peak, peopleNow, rows: rows.length }).toEqual({ peak: 2, peopleNow: 2, rows: 4 });
  // One person as far as column 180 of 240, then two.
  expect(chart).toBe("M0 100V50H180V0H240V100Z");
  expect(timelineOf([], "hour", NOW)).toMatchObject({ peak: 0, chart: "" });
});

test("the marks of the axis are full tens of minutes, or every third hour, of the local time", () => {
  const ticksOf = (range: AttendanceRange) =>
    timelineOf([], range, NOW + 5 * MINUTE).ticks.map(({ time }) => new Date(time));
  const minutes = ticksOf("hour");
  expect(minutes.length).toBe(6);
  expect(minutes.every((time) => time.getMinutes() % 10 === 0 && time.getSeconds() === 0)).toBe(true);
  const hours = ticksOf("day");
  expect(hours.length).toBeGreaterThanOrEqual(7);
  expect(hours.every((time) => time.getHours() % 3 === 0 && time.getMinutes() === 0)).toBe(true);
});

test("an end that nobody has said is marked", () => {
  const alice = attendee("alice", session("PA_1", [[ago(9), ago(5)]], { exact: false }));
  expect(timelineOf([alice], "hour", NOW).rows[0]!.isExact).toBe(false);
});

test("durations are written in two units at most", () => {
  expect([0, 59_999, MINUTE, 60 * MINUTE, 185 * MINUTE].map(durationOf)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 h 00 min",
    "3 h 05 min",
  ]);
});
