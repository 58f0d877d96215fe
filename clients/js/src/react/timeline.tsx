"use client";

import { useEffect, useReducer, useState, type ReactElement } from "react";

import { CHART, timelineOf, type Bar, type Timeline, type TimelineRow } from "../attendance/layout.js";
import type { AttendanceRange, AttendanceStatus } from "../attendance/types.js";
import { clockTime, durationOf, momentOf } from "../attendance/words.js";
import { useAttendance } from "./attendance.js";

/** The texts of an `<AttendanceTimeline>`. */
export interface AttendanceTimelineLabels {
  /** Before the name of the room. */
  readonly title: string;
  readonly range: string;
  readonly hour: string;
  readonly day: string;
  /** On the button that shows the table instead of the bars. */
  readonly table: string;
  readonly loading: string;
  /** Where there is no room to show. */
  readonly noRoom: string;
  /** Where the service keeps no history. */
  readonly off: string;
  readonly nobody: string;
  /** Before the numbers of people. */
  readonly people: string;
  readonly now: string;
  readonly atMost: string;
  readonly person: string;
  readonly joined: string;
  readonly left: string;
  /** Instead of a time of leaving. */
  readonly stillInside: string;
  /** Before a time of leaving that nobody has said. */
  readonly about: string;
  readonly inside: string;
  readonly microphone: string;
  readonly camera: string;
  readonly screen: string;
  readonly more: string;
  /** Where there are more people than are fetched. */
  readonly cut: string;
}

/** The props of `<AttendanceTimeline>`. */
export interface AttendanceTimelineProps {
  readonly room: string | null | undefined;
  /** What is shown at first; there are buttons for both. An hour by default. */
  readonly defaultRange?: AttendanceRange | undefined;
  /** Translations. Texts that are left out are English. */
  readonly labels?: Partial<AttendanceTimelineLabels> | undefined;
  /** Additional classes. */
  readonly className?: string | undefined;
}

const ENGLISH: AttendanceTimelineLabels = {
  title: "Who was in",
  range: "Range",
  hour: "Last hour",
  day: "Last day",
  table: "Table",
  loading: "Loading…",
  noRoom: "No room is chosen.",
  off: "This service keeps no history.",
  nobody: "Nobody was here.",
  people: "People:",
  now: "now",
  atMost: "at most",
  person: "Person",
  joined: "First in",
  left: "Last out",
  stillInside: "still inside",
  about: "about",
  inside: "Inside",
  microphone: "Microphone",
  camera: "Camera",
  screen: "Screen",
  more: "Show more",
  cut: "There are more people than are shown.",
};

/** People that are drawn at first, and that each press of the button adds. */
const ROWS = 100;
/** How often the bars move on, in milliseconds: about a pixel. */
const MOVES_EVERY: Readonly<Record<AttendanceRange, number>> = { hour: 5_000, day: 60_000 };

/**
 * Draws who was in a room over time: a bar for each person, with lighter ones in it for the microphone and the camera, and how many
 * people there were. It is live at its right edge. The same is there as a table, which screen readers always find and everybody
 * gets by a button. Its styles are in `livekit-presence/react/styles.css`.
 */
export function AttendanceTimeline({ room, defaultRange, labels, className }: AttendanceTimelineProps): ReactElement {
  const [range, setRange] = useState<AttendanceRange>(defaultRange ?? "hour");
  const [isTable, setIsTable] = useState(false);
  const [most, setMost] = useState(ROWS);
  const { status, error, people, isCut, clockOffset } = useAttendance(room, range);
  useTicks(MOVES_EVERY[range], status === "ready");
  const words = { ...ENGLISH, ...labels };
  const isOff = status === "off";
  const timeline = status === "ready" ? timelineOf(people, range, Date.now() + clockOffset) : null;
  const isEmpty = timeline?.rows.length === 0;
  const note = error && !isOff ? error.message : wordsOf(status, isEmpty, words);
  return (
    <section className={classes("", className)} aria-label={`${words.title} ${room ?? ""}`.trim()} data-status={status}>
      {!isOff && (
        <div className={classes("-controls")}>
          <Ranges range={range} words={words} onChoice={setRange} />
          <Toggle isOn={isTable} text={words.table} onPress={() => setIsTable(!isTable)} />
        </div>
      )}
      <p className={classes("-note")} role="status">
        {note}
      </p>
      {timeline && !isEmpty && (
        <Drawn timeline={timeline} room={room ?? ""} most={most} isTable={isTable} words={words} />
      )}
      {timeline && timeline.rows.length > most && (
        <button type="button" className={classes("-button")} onClick={() => setMost(most + ROWS)}>
          {words.more}
        </button>
      )}
      {isCut && <p className={classes("-note")}>{words.cut}</p>}
    </section>
  );
}

const classes = (part: string, more?: string): string => `livekit-presence-timeline${part}${more ? ` ${more}` : ""}`;

function wordsOf(status: AttendanceStatus, isEmpty: boolean | undefined, words: AttendanceTimelineLabels): string {
  if (status === "off") return words.off;
  if (status === "idle") return words.noRoom;
  if (status === "ready") return isEmpty ? words.nobody : "";
  return words.loading;
}

/** Renders again from time to time. */
function useTicks(every: number, isOn: boolean): void {
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(tick, every);
    return () => clearInterval(timer);
  }, [every, isOn]);
}

interface Worded {
  readonly words: AttendanceTimelineLabels;
}

interface RangesProps extends Worded {
  readonly range: AttendanceRange;
  readonly onChoice: (range: AttendanceRange) => void;
}

function Ranges({ range, words, onChoice }: RangesProps) {
  return (
    <span className={classes("-ranges")} role="group" aria-label={words.range}>
      {(["hour", "day"] as const).map((choice) => (
        <Toggle key={choice} isOn={choice === range} text={words[choice]} onPress={() => onChoice(choice)} />
      ))}
    </span>
  );
}

function Toggle({ isOn, text, onPress }: { isOn: boolean; text: string; onPress: () => void }) {
  return (
    <button type="button" className={classes("-button")} aria-pressed={isOn} onClick={onPress}>
      {text}
    </button>
  );
}

interface DrawnProps extends Worded {
  readonly timeline: Timeline;
  readonly room: string;
  /** People to draw at most. */
  readonly most: number;
  readonly isTable: boolean;
}

function Drawn({ timeline, room, most, isTable, words }: DrawnProps) {
  const rows = timeline.rows.slice(0, most);
  return (
    <>
      <p className={classes("-numbers")}>
        {`${words.people} ${timeline.peopleNow} ${words.now}, ${words.atMost} ${timeline.peak}`}
      </p>
      {!isTable && <Picture timeline={timeline} rows={rows} words={words} />}
      <Table timeline={timeline} rows={rows} room={room} isSeen={isTable} words={words} />
    </>
  );
}

interface RowsProps extends Worded {
  readonly timeline: Timeline;
  readonly rows: readonly TimelineRow[];
}

/** Those who listen have the table instead. */
function Picture({ timeline, rows, words }: RowsProps) {
  return (
    <div className={classes("-picture")} aria-hidden="true">
      <div className={classes("-row")}>
        <span className={classes("-name")} />
        <svg className={classes("-chart")} viewBox={`0 0 ${CHART.width} ${CHART.height}`} preserveAspectRatio="none">
          <path className={classes("-area")} d={timeline.chart} />
        </svg>
      </div>
      {rows.map((row) => (
        <div className={classes("-row")} key={row.identity}>
          <bdi className={classes("-name")} title={row.identity}>
            {row.name}
          </bdi>
          <svg className={classes("-bars")}>
            <Bars bars={row.inside} part="-inside" y="0" height="100%" />
            <Bars bars={row.microphone} part="-microphone" y="20%" height="20%" />
            <Bars bars={row.camera} part="-camera" y="60%" height="20%" />
          </svg>
        </div>
      ))}
      <div className={classes("-row")}>
        <span className={classes("-name")} />
        <svg className={classes("-axis")}>
          {timeline.ticks.map(({ x, time }) => (
            <text key={time} className={classes("-tick")} x={`${x}%`} y="1em" textAnchor="middle">
              {clockTime(time)}
            </text>
          ))}
        </svg>
      </div>
      <p className={classes("-legend")}>
        {(["inside", "microphone", "camera"] as const).map((part) => (
          <span className={classes("-key")} key={part}>
            <svg className={classes("-swatch")}>
              <rect className={classes("-inside")} width="100%" height="100%" />
              {part !== "inside" && <rect className={classes(`-${part}`)} y="30%" width="100%" height="40%" />}
            </svg>
            {words[part]}
          </span>
        ))}
      </p>
    </div>
  );
}

function Bars({ bars, part, y, height }: { bars: readonly Bar[]; part: string; y: string; height: string }) {
  return bars.map(({ x, width }, index) => (
    <rect className={classes(part)} key={index} x={`${x}%`} y={y} width={`${width}%`} height={height} />
  ));
}

function Table({ timeline, rows, room, isSeen, words }: RowsProps & { room: string; isSeen: boolean }) {
  const caption = `${words.title} ${room}, ${momentOf(timeline.from, timeline.to)} – ${momentOf(timeline.to, timeline.to)}`;
  const heads = ["person", "joined", "left", "inside", "microphone", "camera", "screen"] as const;
  const table = (
    <table className={classes("-table")}>
      <caption>{caption}</caption>
      <thead>
        <tr>
          {heads.map((head) => (
            <th scope="col" key={head}>
              {words[head]}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.identity}>
            <th scope="row">
              <bdi>{row.name}</bdi>
            </th>
            <td>{momentOf(row.joinedAt, timeline.to)}</td>
            <td>{leaveOf(row, timeline.to, words)}</td>
            {[row.insideMs, row.microphoneMs, row.cameraMs, row.screenMs].map((millis, index) => (
              <td key={heads[index + 3]}>{millis > 0 ? durationOf(millis) : "–"}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
  if (!isSeen) return <div className={classes("-unseen")}>{table}</div>;
  // It is wider than a phone, and must be scrolled by keyboard too.
  return (
    <div className={classes("-scroll")} role="region" aria-label={caption} tabIndex={0}>
      {table}
    </div>
  );
}

function leaveOf({ leftAt, isExact }: TimelineRow, now: number, words: AttendanceTimelineLabels): string {
  if (leftAt === null) return words.stillInside;
  return `${isExact ? "" : `${words.about} `}${momentOf(leftAt, now)}`;
}
