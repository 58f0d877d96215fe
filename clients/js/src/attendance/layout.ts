// Where the bars of a timeline are, from the rows of the history. No page, no clock: callers pass `now`.

import type { AttendanceRange, Attendee, AttendedSession, Span } from "./types.js";

/** The length of each range, in milliseconds. */
export const RANGES: Readonly<Record<AttendanceRange, number>> = { hour: 3_600_000, day: 86_400_000 };

/** Between two marks of the time axis, in milliseconds. */
const TICKS: Readonly<Record<AttendanceRange, number>> = { hour: 600_000, day: 10_800_000 };
/** Marks closer to an end than this part of the axis would be cut. */
const EDGE = 0.04;
/** The columns of the chart of people. Each is as high as the most people at once in its time. */
const COLUMNS = 240;
/** The chart's own units: those of its `viewBox`. */
export const CHART = { width: COLUMNS, height: 100 } as const;
/** Shorter bars would not be seen, in percent of the axis. */
const MIN_WIDTH = 0.25;

/** A bar: where it begins and how long it is, in percent of the time axis. */
export interface Bar {
  readonly x: number;
  readonly width: number;
  /** It goes on: it ends at the right edge. */
  readonly isOpen: boolean;
}

/** One person of a timeline. Times are milliseconds since 1970, durations milliseconds within the range. */
export interface TimelineRow {
  readonly identity: string;
  readonly name: string;
  readonly kind: string;
  readonly isInside: boolean;
  readonly joinedAt: number;
  /** Null while the person is inside. */
  readonly leftAt: number | null;
  /** Whether all ends are more than the best that is known. */
  readonly isExact: boolean;
  /** Without counting twice what two sessions have in common. */
  readonly insideMs: number;
  readonly microphoneMs: number;
  readonly cameraMs: number;
  readonly screenMs: number;
  readonly inside: readonly Bar[];
  readonly microphone: readonly Bar[];
  readonly camera: readonly Bar[];
}

/** A mark of the time axis. */
export interface Tick {
  /** In percent of the axis. */
  readonly x: number;
  readonly time: number;
}

/** What a timeline shows. */
export interface Timeline {
  readonly from: number;
  readonly to: number;
  /** Ordered by first join, then by identity. */
  readonly rows: readonly TimelineRow[];
  readonly ticks: readonly Tick[];
  /** Agents do not count as people, as in LiveKit's own numbers. */
  readonly peopleNow: number;
  /** The most people at once. */
  readonly peak: number;
  /** The people over time: the path of an area in the units of `CHART`. Empty if there was nobody. */
  readonly chart: string;
}

/** A span that was cut at the ends of the range. */
interface Cut {
  readonly from: number;
  readonly to: number;
  readonly isOpen: boolean;
}

/** What to draw of those who were inside in the range that ends now. */
export function timelineOf(people: readonly Attendee[], range: AttendanceRange, now: number): Timeline {
  const from = now - RANGES[range];
  const rows: TimelineRow[] = [];
  const stays: Cut[] = [];
  let peopleNow = 0;
  for (const person of people) {
    const inside = union(person.sessions, "intervals", from, now);
    if (inside.length === 0) continue;
    const row = rowOf(person, inside, from, now);
    rows.push(row);
    if (person.kind === "AGENT") continue;
    stays.push(...inside);
    if (row.isInside) peopleNow += 1;
  }
  rows.sort((a, b) => a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1));
  const { peak, chart } = chartOf(stays, from, now);
  return { from, to: now, rows, ticks: ticksOf(range, from, now), peopleNow, peak, chart };
}

function rowOf(
  { identity, name, kind, sessions }: Attendee,
  inside: readonly Cut[],
  from: number,
  to: number,
): TimelineRow {
  const bars = (cuts: readonly Cut[]) => cuts.map((cut) => barOf(cut, from, to));
  const microphone = union(sessions, "microphone", from, to);
  const camera = union(sessions, "camera", from, to);
  const shown = sessions.filter(({ intervals }) => cutAt(intervals, from, to).length > 0);
  const isInside = inside.some(({ isOpen }) => isOpen);
  return {
    identity,
    name: name.trim() || identity,
    kind,
    isInside,
    joinedAt: Math.min(...shown.map(({ joinedAtMs }) => joinedAtMs)),
    leftAt: isInside ? null : Math.max(...inside.map((cut) => cut.to)),
    isExact: shown.every(({ exact }) => exact),
    insideMs: lengthOf(inside),
    microphoneMs: lengthOf(microphone),
    cameraMs: lengthOf(camera),
    screenMs: lengthOf(union(sessions, "screen", from, to)),
    inside: bars(inside),
    microphone: bars(microphone),
    camera: bars(camera),
  };
}

type Kind = "intervals" | "microphone" | "camera" | "screen";

/** When one session or another did this: in order, without overlaps, and cut at the ends of the range. */
function union(sessions: readonly AttendedSession[], kind: Kind, from: number, to: number): Cut[] {
  const cuts = sessions.flatMap((session) => cutAt(session[kind], from, to)).sort((a, b) => a.from - b.from);
  const joined: Cut[] = [];
  for (const cut of cuts) {
    const last = joined[joined.length - 1];
    if (!last || cut.from > last.to) joined.push(cut);
    else
      joined[joined.length - 1] = { from: last.from, to: Math.max(last.to, cut.to), isOpen: last.isOpen || cut.isOpen };
  }
  return joined;
}

function cutAt(spans: readonly Span[], from: number, to: number): Cut[] {
  const isIn = ([begin, end]: Span) => end === null || (end > from && begin < to) || (begin === end && begin >= from);
  // Somebody may have come after `to`, by a clock that is a little ahead.
  return spans.filter(isIn).map(([begin, end]) => ({
    from: Math.min(Math.max(begin, from), to),
    to: Math.min(end ?? to, to),
    isOpen: end === null,
  }));
}

const lengthOf = (cuts: readonly Cut[]): number => cuts.reduce((sum, cut) => sum + cut.to - cut.from, 0);

function barOf(cut: Cut, from: number, to: number): Bar {
  const percent = (millis: number) => (100 * millis) / (to - from);
  const width = Math.max(percent(cut.to - cut.from), MIN_WIDTH);
  return { x: rounded(Math.min(percent(cut.from - from), 100 - width)), width: rounded(width), isOpen: cut.isOpen };
}

const rounded = (percent: number): number => Math.round(percent * 1_000) / 1_000;

/** The marks of the axis, at full hours or tens of minutes of the local time. */
function ticksOf(range: AttendanceRange, from: number, to: number): Tick[] {
  const step = TICKS[range];
  const zone = new Date(to).getTimezoneOffset() * 60_000;
  const ticks: Tick[] = [];
  for (let time = Math.ceil((from - zone) / step) * step + zone; time <= to; time += step) {
    const part = (time - from) / (to - from);
    if (part >= EDGE && part <= 1 - EDGE) ticks.push({ x: rounded(100 * part), time });
  }
  return ticks;
}

/** The most people at once, in all and in each column. Who leaves is gone before another one comes in the same millisecond. */
function chartOf(stays: readonly Cut[], from: number, to: number): { peak: number; chart: string } {
  const steps: { time: number; by: 1 | -1 }[] = [];
  for (const stay of stays) {
    if (stay.from === stay.to && !stay.isOpen) continue;
    steps.push({ time: stay.from, by: 1 });
    if (!stay.isOpen) steps.push({ time: stay.to, by: -1 });
  }
  steps.sort((a, b) => a.time - b.time || a.by - b.by);
  const columns: number[] = [];
  let [people, peak, next] = [0, 0, 0];
  for (let column = 1; column <= COLUMNS; column += 1) {
    const end = from + ((to - from) * column) / COLUMNS;
    let most = people;
    for (; next < steps.length && (steps[next]!.time < end || column === COLUMNS); next += 1) {
      people += steps[next]!.by;
      most = Math.max(most, people);
    }
    columns.push(most);
    peak = Math.max(peak, most);
  }
  return { peak, chart: peak === 0 ? "" : pathOf(columns, peak) };
}

function pathOf(columns: readonly number[], peak: number): string {
  let path = `M0 ${CHART.height}`;
  columns.forEach((most, column) => {
    if (most !== columns[column - 1]) path += `V${rounded(CHART.height * (1 - most / peak))}`;
    if (most !== columns[column + 1]) path += `H${column + 1}`;
  });
  return `${path}V${CHART.height}Z`;
}
