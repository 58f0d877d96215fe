// A small chart for each thing that is measured, by uPlot. Its newest values stand above it as text, which is what those who listen
// have of it.

import uPlot from "uplot";

import { byId, copyOf, setText } from "./parts.js";

const HEIGHT = 110;
const HOUR = 3_600;
/** What a service that began a moment ago shows. */
const SHORTEST = 300;
/** Told apart without colours, too. */
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3]];

const sum =
  (...names) =>
  (value) =>
    names.reduce((total, name) => total + (value(name) ?? 0), 0);
const one =
  (name, factor = 1) =>
  (value) =>
    value(name) === null ? null : value(name) * factor;
const other =
  (all, ...names) =>
  (value) =>
    Math.max(0, (value(all) ?? 0) - sum(...names)(value));

const EVENTS = {
  joined: ["participant_joined"],
  left: ["participant_left", "participant_connection_aborted"],
  tracks: ["track_published", "track_unpublished"],
  rooms: ["room_started", "room_finished"],
};
const eventsNamed = (names) => names.map((name) => `webhooks.event.${name}`);
const outcomes = (...names) => sum(...names.map((name) => `webhooks.outcome.${name}`));

/** Each with its title, unit, lines and state: the name of a line, and how its value follows from a step; what is up or not. */
const chartsOf = (store) => [
  [
    "Webhooks by event",
    "/s",
    {
      ...Object.fromEntries(Object.entries(EVENTS).map(([line, names]) => [line, sum(...eventsNamed(names))])),
      other: other("webhooks", ...eventsNamed(Object.values(EVENTS).flat())),
    },
  ],
  [
    "Webhooks by outcome",
    "/s",
    {
      changed: outcomes("changed"),
      unchanged: outcomes("unchanged", "ignored"),
      duplicate: outcomes("duplicate"),
      refused: outcomes("unauthorized", "malformed", "too_large", "limited", "misdirected"),
      unavailable: outcomes("unavailable"),
    },
  ],
  [
    "Webhook to subscriber",
    "ms",
    {
      p50: one("subscriberMs.p50"),
      p95: one("subscriberMs.p95"),
      p99: one("subscriberMs.p99"),
    },
  ],
  ["Streams", "", { all: one("streams"), WebSockets: one("webSockets") }],
  ["Frames", "/s", { written: one("frames") }],
  [
    "Lists read from memory",
    "%",
    {
      hits: (value) => (value("reads") > 0 ? (100 * value("reads.hot")) / value("reads") : null),
    },
  ],
  ["Memory", "MB", { resident: one("memoryBytes", 1e-6) }],
  [`Calls to ${store}`, "/s", { all: one("storeCalls"), failed: one("storeCalls.failed") }, "storeUp"],
  [`Time of a call to ${store}`, "ms", { mean: one("storeMs") }],
  [
    "Calls to LiveKit",
    "/s",
    { all: one("livekitCalls"), "not ok": other("livekitCalls", "livekitCalls.ok") },
    "livekitUp",
  ],
  ["Calls to LiveKit left", "", { left: one("livekitCallsLeft") }],
  ["Comparisons", "/s", { comparisons: one("comparisons"), repairs: one("repairs") }],
];

export class Charts {
  #charts;
  #newest = null;

  /** `store` is what the service keeps rooms in, as people call it. */
  constructor(element, store) {
    this.#charts = chartsOf(store).map((chart) => new Chart(element, ...chart));
    // A canvas has its colours painted in.
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts) chart.forgetColours();
      if (this.#newest) this.show(...this.#newest);
    });
  }

  show(times, series) {
    this.#newest = [times, series];
    for (const chart of this.#charts) chart.show(times, series);
  }
}

class Chart {
  #unit;
  #lines;
  #state;
  #element;
  #canvas;
  #values;
  #plot = null;

  constructor(parent, title, unit, lines, state) {
    [this.#unit, this.#lines, this.#state] = [unit, lines, state];
    this.#element = copyOf("chart");
    this.#canvas = this.#element.querySelector(".chart-canvas");
    const caption = this.#element.querySelector(".chart-title");
    setText(caption, unit ? `${title}, ${unit}` : title);
    this.#values = Object.keys(lines).map((name, index) => {
      const value = copyOf("chart-value");
      value.classList.add(`line-${index}`);
      setText(value.querySelector("dt"), name);
      this.#element.querySelector("dl").append(value);
      return value.querySelector("dd");
    });
    parent.append(this.#element);
    new ResizeObserver(() => this.#plot?.setSize(this.#size)).observe(this.#canvas);
  }

  forgetColours() {
    this.#plot?.destroy();
    this.#plot = null;
  }

  show(times, series) {
    const columns = Object.values(this.#lines).map((of) =>
      times.map((_, step) => of((name) => series[name]?.[step] ?? null)),
    );
    columns.forEach((column, index) => setText(this.#values[index], written(column.at(-1))));
    this.#showState(series);
    const data = [times.map((time) => time / 1_000), ...columns];
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = new uPlot(this.#options, data, this.#canvas);
  }

  #showState(series) {
    const isUp = series[this.#state]?.at(-1) ?? null;
    const state = this.#element.querySelector(".chart-state");
    setText(state, isUp === null ? "" : isUp === 1 ? "up" : "down");
    state.dataset.state = isUp === 0 ? "down" : "up";
  }

  get #size() {
    return { width: Math.max(120, this.#canvas.clientWidth), height: HEIGHT };
  }

  get #options() {
    const style = getComputedStyle(byId("charts"));
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--quiet"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    const isShare = this.#unit === "%";
    const lines = Object.keys(this.#lines).map((label, index) => ({
      label,
      stroke: colour(`--line-${index}`),
      dash: DASHES[index],
      width: 1.5,
      points: { show: false },
    }));
    return {
      ...this.#size,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_, min, max) => [Math.max(max - HOUR, Math.min(min, max - SHORTEST)), max] },
        y: { range: (_, __, max) => [0, isShare ? 100 : max > 0 ? max * 1.1 : 1] },
      },
      axes: [
        { ...axis, size: 22, space: 60, grid: { show: false }, values: (_, all) => all.map(hourAndMinute) },
        {
          ...axis,
          size: 42,
          space: 32,
          grid: { stroke: colour("--line"), width: 1 },
          values: (_, all) => all.map(written),
        },
      ],
      series: [{}, ...lines],
    };
  }
}

function hourAndMinute(seconds) {
  return new Date(seconds * 1_000).toLocaleTimeString("en-GB").slice(0, 5);
}

function written(value) {
  if (value === null || value === undefined) return "–";
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}
