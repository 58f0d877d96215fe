// Who was in a room, and when: a bar for each person over time, and the same as a table. It is there if the service keeps a history.

import { CHART, durationOf, followAttendance, sourceOf, timelineOf } from "../../clients/js/src/attendance/index.ts";
import { PeopleRows, byId, setText } from "./parts.js";
import { clockTime, momentOf } from "./time.js";

/** People that are drawn at first, and that each press of the button adds. */
const MOST_PEOPLE = 100;
/** How often the bars move on, in milliseconds: about a pixel. */
const MOVES_EVERY = { hour: 5_000, day: 60_000 };
/** Where the bars of each kind are within a row. */
const LANES = {
  inside: { y: "0", height: "100%" },
  microphone: { y: "20%", height: "20%" },
  camera: { y: "60%", height: "20%" },
};

export class Past {
  #service;
  #feed = null;
  #room = null;
  /** Whether the room stays until somebody chooses another one. */
  #isSettled = false;
  #range = "hour";
  #most = MOST_PEOPLE;
  /** The newest state of each room of the page. */
  #states = new Map();
  #bars = new PeopleRows(byId("past-rows"), "past-person");
  #table = new PeopleRows(byId("past-table"), "past-line");
  #timer;
  #isPlanned = false;

  constructor(service) {
    this.#service = service;
    byId("past-room").addEventListener("change", ({ target }) => this.#choose(target.value));
    for (const button of this.#ranges) button.addEventListener("click", () => this.#setRange(button.dataset.range));
    byId("past-as-table").addEventListener("click", () => this.#toggleTable());
    byId("past-more").addEventListener("click", () => {
      this.#most += MOST_PEOPLE;
      this.#show();
    });
    void this.#offerPast();
  }

  /** Offers rooms to look at. Until somebody chooses, one with people in it is shown rather than one without. */
  offer(rooms) {
    const select = byId("past-room");
    const offered = new Set([...select.options].map(({ value }) => value));
    for (const { name } of rooms) if (!offered.has(name)) select.add(new Option(name, name));
    const [fullest] = [...rooms].sort((a, b) => b.numParticipants - a.numParticipants);
    const isBetter = this.#room === null || (!this.#isSettled && fullest?.numParticipants > 0);
    if (!fullest || !isBetter) return;
    this.#isSettled = fullest.numParticipants > 0;
    byId("past").hidden = false;
    select.value = fullest.name;
    this.#follow(fullest.name);
  }

  /** The room that is looked at; null until there is one. */
  get room() {
    return this.#room;
  }

  /** Takes the newest list of a room. */
  see(name, state) {
    this.#states.set(name, state);
    if (name === this.#room) this.#feed.see(state);
  }

  /** What was seen of a room grows old: it is not watched any more. */
  forget(name) {
    this.#states.delete(name);
  }

  get #ranges() {
    return byId("past").querySelectorAll("[data-range]");
  }

  /** The rooms that nobody is in any more. Who may not list them has those that are open. */
  async #offerPast() {
    const { url, token } = this.#service;
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const answer = await fetch(`${url}api/livekit/sessions?limit=100`, { headers }).catch(() => null);
    const { sessions } = answer?.ok ? await answer.json() : { sessions: [] };
    this.offer(sessions.map(({ roomName }) => ({ name: roomName, numParticipants: 0 })));
  }

  #choose(room) {
    this.#isSettled = true;
    this.#follow(room);
  }

  #follow(room) {
    this.#feed?.close();
    this.#room = room;
    this.#most = MOST_PEOPLE;
    this.#feed = followAttendance(sourceOf(this.#service.url, this.#service.token, room), this.#range, () =>
      this.#show(),
    );
    const state = this.#states.get(room);
    if (state) this.#feed.see(state);
    this.#show();
  }

  #setRange(range) {
    this.#range = range;
    for (const button of this.#ranges) button.ariaPressed = String(button.dataset.range === range);
    this.#feed?.setRange(range);
    this.#show();
  }

  #toggleTable() {
    const isTable = byId("past-as-table").ariaPressed !== "true";
    byId("past-as-table").ariaPressed = String(isTable);
    byId("past-picture").hidden = isTable;
    const scroll = byId("past-scroll");
    scroll.classList.toggle("unseen", !isTable);
    // It is wider than a phone, and must be scrolled by keyboard too.
    if (isTable) scroll.tabIndex = 0;
    else scroll.removeAttribute("tabindex");
  }

  /** Draws what is known, once before the browser shows it. */
  #show() {
    if (this.#isPlanned) return;
    this.#isPlanned = true;
    requestAnimationFrame(() => {
      this.#isPlanned = false;
      this.#showNow();
    });
  }

  #showNow() {
    clearTimeout(this.#timer);
    const { status, error, people, isCut } = this.#feed.state();
    const timeline = timelineOf(people, this.#range, this.#feed.now());
    const isShown = status === "ready" && timeline.rows.length > 0;
    byId("past-drawn").hidden = !isShown;
    setText(byId("past-note"), error?.message ?? noteOf(status, isShown, isCut));
    if (isShown) this.#draw(timeline);
    if (status === "ready") this.#timer = setTimeout(() => this.#show(), MOVES_EVERY[this.#range]);
  }

  #draw(timeline) {
    const shown = timeline.rows.slice(0, this.#most);
    setText(byId("past-numbers"), `People: ${timeline.peopleNow} now, at most ${timeline.peak}`);
    byId("past-chart").setAttribute("viewBox", `0 0 ${CHART.width} ${CHART.height}`);
    byId("past-chart").firstElementChild.setAttribute("d", timeline.chart);
    byId("past-axis").replaceChildren(...timeline.ticks.map(markOf));
    this.#bars.show(shown, fillBars);
    const { from, to } = timeline;
    setText(byId("past-caption"), `Who was in ${this.#room}, ${momentOf(from, to)} – ${momentOf(to, to)}`);
    this.#table.show(shown, (line, row) => fillLine(line, row, to));
    byId("past-more").hidden = timeline.rows.length <= this.#most;
  }
}

function noteOf(status, isShown, isCut) {
  if (status === "loading") return "Loading…";
  if (!isShown) return "Nobody was here.";
  return isCut ? "There are more people than are shown." : "";
}

function create(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function barOf(lane, { x, width }) {
  return create("rect", { class: `bar-${lane}`, x: `${x}%`, width: `${width}%`, ...LANES[lane] });
}

function fillBars(element, row) {
  const [name, bars] = element.children;
  setText(name, row.name);
  name.title = `${row.name} (${row.identity})`;
  bars.replaceChildren(...Object.keys(LANES).flatMap((lane) => row[lane].map((bar) => barOf(lane, bar))));
}

function markOf({ x, time }) {
  const text = create("text", { x: `${x}%`, y: "1em" });
  text.textContent = clockTime(new Date(time)).slice(0, 5);
  return text;
}

function fillLine(line, row, now) {
  const [person, ...cells] = line.children;
  setText(person.firstElementChild, row.name);
  const left = row.leftAt === null ? "still inside" : `${row.isExact ? "" : "about "}${momentOf(row.leftAt, now)}`;
  const lengths = [row.insideMs, row.microphoneMs, row.cameraMs, row.screenMs];
  const texts = [
    momentOf(row.joinedAt, now),
    left,
    ...lengths.map((millis) => (millis > 0 ? durationOf(millis) : "–")),
  ];
  cells.forEach((cell, index) => setText(cell, texts[index]));
}
