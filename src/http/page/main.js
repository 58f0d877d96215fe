// The page: every room of this service, live.
//
// It asks which rooms there are every few seconds, and watches all of them on one stream, which brings a snapshot of each
// room and then what changes. Read it as four parts: the link to the service, the rooms as they are folded from the
// stream, what is drawn of them, and the start. Names are anybody's choice, so they are only ever set as text.

const ASK_FOR_ROOMS_EVERY = 5_000;
const ANSWER_WITHIN = 10_000;
/** Until heartbeats have told. */
const USUAL_HEARTBEAT = 15_000;
/** After so many without a sign of life the stream counts as dead. */
const MISSED_HEARTBEATS = 3;
const SHORTEST_WAIT = 1_000;
const LONGEST_WAIT = 30_000;

/** What one stream takes. */
const MOST_ROOMS = 100;
/** Proxies commonly refuse a request line above 8 KB. */
const MOST_QUERY = 7_000;
const MOST_PEOPLE_SHOWN = 100;
/** As many lines fit into a card before it scrolls. */
const CARD_HOLDS = 12;
const MOST_ENTRIES = 30;
/** More than this at once is told as one entry. */
const MOST_TOLD_ONE_BY_ONE = 4;
/** How long a room that ended is still shown. */
const EMPTY_ROOM_STAYS = 6_000;
const LEAVING_TAKES = 320;

const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
const byId = (id) => document.getElementById(id);

// ---------------------------------------------------------------------------------------------- The link to the service

/** What went wrong, in a sentence for the reader. */
class Problem extends Error {
  constructor(detail, { status = 0, retryAfter = 0 } = {}) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  static async of(response) {
    const body = await response.json().catch(() => ({}));
    const detail = body.detail ?? `the service answered ${response.status}`;
    const retryAfter = 1_000 * (Number(response.headers.get("retry-after")) || 0);
    return new Problem(detail, { status: response.status, retryAfter });
  }

  static get unreachable() {
    return new Problem("the service cannot be reached");
  }
}

/** The operator's token, when the page was opened with one. What stands behind `#` is not sent with the page's own request. */
function accessToken() {
  return new URLSearchParams(location.hash.slice(1)).get("access_token");
}

function address(path, rooms = []) {
  const query = new URLSearchParams(rooms.map((room) => ["room", room]));
  const token = accessToken();
  if (token) query.set("access_token", token);
  return `${path}?${query}`;
}

/** Conditional without saying so: the browser keeps the answer with its ETag, and asks whether it still holds. */
async function askForRooms() {
  const signal = AbortSignal.timeout(ANSWER_WITHIN);
  const response = await fetch(address("api/livekit/rooms"), { signal }).catch(() => null);
  if (!response) throw Problem.unreachable;
  if (!response.ok) throw await Problem.of(response);
  return response.json().catch(() => {
    throw new Problem("something else than this service has answered");
  });
}

/** EventSource does not tell why it failed, so the same is asked once more with fetch. Null: nothing is wrong with it. */
async function whyNot(url) {
  const request = new AbortController();
  const timeout = setTimeout(() => request.abort(), ANSWER_WITHIN);
  const response = await fetch(url, { signal: request.signal }).catch(() => null);
  clearTimeout(timeout);
  if (!response) return Problem.unreachable;
  if (response.status === 204) return new Problem("this service has its streams switched off", { status: 204 });
  if (!response.ok) return Problem.of(response);
  request.abort();
  return null;
}

/** Stays in touch: live, connecting or disconnected. Knows nothing of what the messages mean. */
class Link {
  #listener;
  #state = "connecting";
  #isAsking = false;
  #source = null;
  #rooms = [];
  #isOpen = false;
  /** By when something must be heard. */
  #deadline = Infinity;
  #heartbeatEvery = USUAL_HEARTBEAT;
  #lastHeartbeat = null;
  #heartbeatGaps = [];
  #failures = 0;
  #retryAt = null;

  constructor(listener) {
    this.#listener = listener;
  }

  /** Asks which rooms there are, and watches those that the listener wants of them. */
  async refresh() {
    if (this.#isAsking || this.#retryAt !== null) return;
    this.#isAsking = true;
    const answer = await askForRooms().catch((problem) => problem);
    this.#isAsking = false;
    if (answer instanceof Error) {
      // An open stream is right without the list, and fails by itself if it must.
      if (!this.#source && this.#retryAt === null) this.#fail(answer);
    } else {
      this.#watch(this.#listener.onRooms(answer));
    }
  }

  retryNow() {
    if (this.#retryAt === null) return;
    this.#retryAt = null;
    this.#become("connecting");
    this.refresh();
  }

  /** Forgets what is open, and begins anew soon: a message is missing. */
  startOver() {
    this.#close();
    this.#retryAt = Date.now() + Math.random() * SHORTEST_WAIT;
  }

  /** Called every second. */
  tick(now) {
    if (this.#retryAt === null) {
      if (this.#source && now > this.#deadline) this.#fail(new Problem("the stream has gone silent"));
    } else if (now >= this.#retryAt) {
      this.retryNow();
    } else if (this.#state === "disconnected") {
      this.#listener.onWait(Math.ceil((this.#retryAt - now) / 1_000));
    }
  }

  #watch(rooms) {
    const isSame = rooms.length === this.#rooms.length && rooms.every((room, index) => room === this.#rooms[index]);
    if (this.#source && isSame) return;
    this.#rooms = rooms;
    // An answer can come while a retry is due, when it was asked for before the stream failed.
    this.#retryAt = null;
    if (rooms.length > 0) {
      this.#open();
    } else {
      // A stream needs a room. Without one the list alone shows that the service is there.
      this.#close();
      this.#failures = 0;
      this.#become("live");
    }
  }

  /** Opens the stream. What was open is closed first: what is shown stays until the new snapshots come. */
  #open() {
    this.#close();
    const source = new EventSource(address("api/livekit/rooms/stream", this.#rooms));
    this.#source = source;
    this.#deadline = Date.now() + ANSWER_WITHIN;
    source.onopen = () => {
      this.#isOpen = true;
      this.#heard();
      this.#become("live");
    };
    source.onerror = () => this.#onError(source);
    source.addEventListener("room:snapshot", (event) => {
      this.#failures = 0;
      this.#heard();
      this.#listener.onSnapshot(JSON.parse(event.data));
    });
    source.addEventListener("room:delta", (event) => {
      this.#heard();
      this.#listener.onDelta(JSON.parse(event.data));
    });
    source.addEventListener("heartbeat", (event) => this.#onHeartbeat(JSON.parse(event.data).t));
  }

  #close() {
    this.#source?.close();
    this.#source = null;
    this.#isOpen = false;
    this.#lastHeartbeat = null;
    this.#deadline = Infinity;
  }

  #heard() {
    this.#deadline = Date.now() + MISSED_HEARTBEATS * this.#heartbeatEvery;
    this.#listener.onSignOfLife();
  }

  #onHeartbeat(serverTime) {
    if (this.#lastHeartbeat !== null) this.#heartbeatGaps.push(serverTime - this.#lastHeartbeat);
    this.#lastHeartbeat = serverTime;
    this.#heartbeatGaps.splice(0, this.#heartbeatGaps.length - 5);
    // The longest of some, as a stream's first heartbeats can come close together.
    if (this.#heartbeatGaps.length > 1) {
      this.#heartbeatEvery = Math.min(Math.max(...this.#heartbeatGaps, 1_000), 60_000);
    }
    this.#heard();
    this.#listener.onServerTime(serverTime);
  }

  async #onError(source) {
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#lastHeartbeat = null;
    this.#become("connecting");
    if (wasOpen && source.readyState === EventSource.CONNECTING) {
      // An orderly end, or a broken connection: the browser comes back by itself, after the time that the service set.
      this.#deadline = Date.now() + ANSWER_WITHIN;
      return;
    }
    source.close();
    this.#deadline = Infinity;
    const problem = await whyNot(source.url);
    if (source === this.#source) this.#fail(problem ?? new Problem("the stream was interrupted"));
  }

  #fail(problem) {
    this.#close();
    const wait = Math.min(SHORTEST_WAIT * 2 ** this.#failures, LONGEST_WAIT);
    this.#failures += 1;
    // Jitter, lest all pages come back in the same moment.
    this.#retryAt = Date.now() + Math.max(wait * (0.75 + Math.random() / 2), SHORTEST_WAIT, problem.retryAfter);
    this.#become("disconnected", problem);
    this.tick(Date.now());
  }

  #become(state, problem = null) {
    if (state === this.#state && !problem) return;
    this.#state = state;
    this.#listener.onState(state, problem);
  }
}

// ---------------------------------------------------------------------------- The rooms, as they are folded from the stream

/** One room: its people by identity, at a version. */
class Room {
  people = new Map();
  /** Null until the first snapshot. */
  version = null;
  /** What the list of rooms says, to be shown until the snapshot. */
  listed;
  lastSeen = Date.now();

  constructor(name, listed) {
    this.name = name;
    this.listed = listed;
    this.card = new RoomCard(name);
  }

  get count() {
    return this.version === null ? this.listed.numParticipants : this.people.size;
  }

  /** In the order of every list of this service. */
  get inOrder() {
    return [...this.people.values()].sort(
      (a, b) => a.joinedAt - b.joinedAt || (a.identity < b.identity ? -1 : 1),
    );
  }

  /** Returns what is different, as pairs of a person before and after; nothing at first, when all is. */
  replace({ version, participants }) {
    const before = this.people;
    this.people = new Map(participants.map((person) => [person.identity, person]));
    const isFirst = this.version === null;
    this.version = version;
    if (isFirst) return [];
    const gone = [...before.values()].filter(({ identity }) => !this.people.has(identity));
    return [...gone.map((person) => [person, null]), ...participants.map((person) => [before.get(person.identity), person])];
  }

  /** Returns what is different likewise, or null when the change does not build on what is held. */
  fold({ prev, version, joined, updated, left }) {
    if (prev !== this.version) return null;
    this.version = version;
    const changes = [];
    for (const { identity } of left) {
      changes.push([this.people.get(identity), null]);
      this.people.delete(identity);
    }
    for (const person of [...joined, ...updated]) {
      changes.push([this.people.get(person.identity), person]);
      this.people.set(person.identity, person);
    }
    return changes;
  }
}

/** Which rooms to show: those in the list, and those that just ended. If they are too many, those already shown, then the fullest. */
function chooseRooms(list, shown) {
  const listed = new Map(list.map((room) => [room.name, room]));
  const ended = [...shown.values()].filter(({ name }) => !listed.has(name));
  const lingering = ended.filter(({ people, lastSeen }) => people.size > 0 || Date.now() - lastSeen < EMPTY_ROOM_STAYS);
  const candidates = [...list, ...lingering.map((room) => ({ ...room.listed, numParticipants: 0 }))];
  candidates.sort((a, b) => shown.has(b.name) - shown.has(a.name) || b.numParticipants - a.numParticipants);
  let length = 0;
  return candidates.slice(0, MOST_ROOMS).filter(({ name }) => {
    length += encodeURIComponent(name).length + "&room=".length;
    return length <= MOST_QUERY;
  });
}

const SOURCES = [
  { source: "MICROPHONE", icon: "microphone", began: "turned the microphone on in", ended: "turned the microphone off in" },
  { source: "CAMERA", icon: "camera", began: "turned the camera on in", ended: "turned the camera off in" },
  { source: "SCREEN_SHARE", icon: "screen", began: "started sharing the screen in", ended: "stopped sharing the screen in" },
];

/** What somebody did, if it is worth telling. */
function deeds(before, after) {
  if (!before) return ["joined"];
  if (!after) return ["left"];
  if (before.sid !== after.sid) return ["reconnected to"];
  return SOURCES.flatMap(({ source, began, ended }) => {
    const did = isOn(after, source) - isOn(before, source);
    return did === 0 ? [] : [did > 0 ? began : ended];
  });
}

const isOn = (person, source) => person.tracks.some((track) => track.source === source && !track.muted);

const nameOf = (person) => person.name || person.identity;

// ------------------------------------------------------------------------------------------------------------ Drawing

/** How far the service's clock is ahead of this one's, so that a wrong clock here does not show. */
let serverIsAhead = 0;

function copyOf(templateId) {
  return byId(templateId).content.firstElementChild.cloneNode(true);
}

function countOf(people) {
  return people === 1 ? "1 person" : `${people.toLocaleString("en")} people`;
}

/** How long ago that was, in as few letters as will do. */
function since(time) {
  const seconds = Math.max(0, (Date.now() + serverIsAhead - time) / 1_000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

function clockTime(date = new Date()) {
  return date.toLocaleTimeString("en-GB");
}

/** A hue from 0 to 359 that belongs to the text (FNV-1a). */
function hueOf(text) {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193) >>> 0;
  return hash % 360;
}

function initialsOf(name) {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends.map((word) => [...word][0] ?? "?").join("").toUpperCase();
}

function fillAvatar(element, text, identity) {
  element.textContent = text;
  element.style.setProperty("--hue", hueOf(identity));
}

function iconOf(icon, label, isMuted) {
  const create = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  const svg = create("svg");
  svg.classList.add("icon", icon);
  svg.classList.toggle("is-muted", isMuted);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const title = create("title");
  title.textContent = label;
  svg.append(title);
  for (const part of isMuted ? [icon, "slash"] : [icon]) {
    const use = create("use");
    use.setAttribute("href", `#icon-${part}`);
    svg.append(use);
  }
  return svg;
}

/** Lets an element leave in its own time. A timer, because an animation that is turned off never ends. */
function leave(element) {
  element.classList.add("is-leaving");
  element.setAttribute("aria-hidden", "true");
  setTimeout(() => element.remove(), LEAVING_TAKES);
}

/** One person's line. */
class PersonRow {
  constructor() {
    this.element = copyOf("person");
    const find = (selector) => this.element.querySelector(selector);
    this.parts = {
      avatar: find(".avatar"), name: find(".name"), kind: find(".kind"), stay: find(".stay"), sources: find(".sources"),
    };
  }

  show(person) {
    if (person === this.person) return;
    this.person = person;
    const { avatar, name, kind, sources } = this.parts;
    fillAvatar(avatar, initialsOf(nameOf(person)), person.identity);
    name.textContent = nameOf(person);
    name.title = `${nameOf(person)} (${person.identity})`;
    kind.hidden = person.kind === "STANDARD";
    kind.textContent = kind.title = person.kind;
    sources.replaceChildren(...this.#icons());
    this.showStay();
  }

  showStay() {
    const text = since(this.person.joinedAt);
    if (this.parts.stay.textContent !== text) this.parts.stay.textContent = text;
  }

  #icons() {
    const published = SOURCES.filter(({ source }) => this.person.tracks.some((track) => track.source === source));
    return published.map(({ source, icon }) => {
      const isMuted = !isOn(this.person, source);
      return iconOf(icon, `${icon} ${isMuted ? "muted" : "on"}`, isMuted);
    });
  }
}

/** One room's card. */
class RoomCard {
  #rows = new Map();
  /** Those who were there before us do not arrive. */
  #isFilled = false;

  constructor(name) {
    this.element = copyOf("room");
    const find = (selector) => this.element.querySelector(selector);
    this.parts = { count: find(".count"), list: find(".people"), hint: find(".hint") };
    find("h3 bdi").textContent = name;
    find("h3").title = name;
    this.element.setAttribute("aria-label", name);
  }

  show(room) {
    const { count, hint, list } = this.parts;
    const hidden = room.people.size - MOST_PEOPLE_SHOWN;
    const isAll = room.listed.exact || room.count === 0;
    count.textContent = room.count === 0 ? "empty" : `${isAll ? "" : "at least "}${countOf(room.count)}`;
    hint.textContent = room.count === 0 ? "Nobody is here." : hidden > 0 ? `and ${countOf(hidden)} more` : "";
    this.#showPeople(room.inOrder.slice(0, MOST_PEOPLE_SHOWN));
    this.#isFilled = room.version !== null;
    // What scrolls must be reachable by keyboard.
    if (room.people.size > CARD_HOLDS) list.tabIndex = 0;
    else list.removeAttribute("tabindex");
  }

  showStays() {
    for (const row of this.#rows.values()) row.showStay();
  }

  #showPeople(shown) {
    const staying = new Set(shown.map(({ identity }) => identity));
    for (const [identity, row] of this.#rows) {
      if (staying.has(identity)) continue;
      this.#rows.delete(identity);
      leave(row.element);
    }
    let next = this.parts.list.firstElementChild;
    for (const person of shown) {
      while (next?.classList.contains("is-leaving")) next = next.nextElementSibling;
      const row = this.#rows.get(person.identity) ?? this.#newRow(person);
      row.show(person);
      // Only what stands in the wrong place is moved: moving would start its animation again.
      if (row.element === next) next = next.nextElementSibling;
      else this.parts.list.insertBefore(row.element, next);
    }
  }

  #newRow(person) {
    const row = new PersonRow();
    row.element.classList.toggle("is-new", this.#isFilled);
    this.#rows.set(person.identity, row);
    return row;
  }
}

/** Tells in the feed what happened in a room. */
function tell(room, changes) {
  const told = changes.flatMap(([before, after]) => deeds(before, after).map((deed) => ({ person: after ?? before, deed })));
  for (const [deed, those] of Map.groupBy(told, ({ deed }) => deed)) {
    if (those.length > MOST_TOLD_ONE_BY_ONE) {
      addEntry({ who: countOf(those.length), avatar: those.length, identity: room.name }, deed, room);
      continue;
    }
    for (const { person } of those) {
      const who = nameOf(person);
      addEntry({ who, avatar: initialsOf(who), identity: person.identity }, deed, room);
    }
  }
}

function addEntry({ who, avatar, identity }, deed, room) {
  const entry = copyOf("entry");
  fillAvatar(entry.querySelector(".avatar"), avatar, identity);
  entry.querySelector(".name").textContent = who;
  entry.querySelector(".did").textContent = deed;
  entry.querySelector(".where").textContent = room.name;
  entry.querySelector("time").textContent = clockTime();
  entry.classList.add("is-new");
  const feed = byId("feed");
  feed.prepend(entry);
  while (feed.children.length > MOST_ENTRIES) feed.lastElementChild.remove();
  byId("no-feed").hidden = true;
}

/** A number where numbers change often: set only when it is another. */
function showNumber(id, number) {
  const text = number.toLocaleString("en");
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

// ---------------------------------------------------------------------------------------------------------- The start

const rooms = new Map();
const STATES = { live: "Live", connecting: "Connecting…", disconnected: "Disconnected" };
let eventsReceived = 0;
let roomsInAll = 0;
let lastSignOfLife = null;

const link = new Link({
  onRooms(list) {
    const chosen = chooseRooms(list, rooms);
    const names = new Set(chosen.map(({ name }) => name));
    for (const [name, room] of rooms) {
      if (names.has(name)) continue;
      rooms.delete(name);
      leave(room.card.element);
    }
    for (const listed of chosen) keepRoom(listed);
    for (const { name } of list) if (rooms.has(name)) rooms.get(name).lastSeen = Date.now();
    roomsInAll = list.length;
    showTotals();
    return [...rooms.keys()].sort();
  },

  onSnapshot(snapshot) {
    showChanges(snapshot.room, (room) => room.replace(snapshot));
  },

  onDelta(delta) {
    showChanges(delta.room, (room) => room.fold(delta));
  },

  onServerTime(time) {
    serverIsAhead = time - Date.now();
  },

  onSignOfLife() {
    lastSignOfLife = new Date();
    byId("dot").classList.add("beat");
  },

  onState(state, problem) {
    byId("link").dataset.state = state;
    byId("link-text").textContent = STATES[state];
    if (state !== "connecting") document.body.classList.toggle("is-old", state === "disconnected");
    // While a retry is under way the reason for it stays, so that the page does not jump.
    if (problem) showProblem(problem);
    else if (state === "live") byId("problem").hidden = true;
    else byId("problem-wait").textContent = "Trying again…";
  },

  onWait(seconds) {
    byId("problem-wait").textContent = `Trying again in ${seconds} s.`;
  },
});

function keepRoom(listed) {
  let room = rooms.get(listed.name);
  if (!room) {
    room = new Room(listed.name, listed);
    rooms.set(listed.name, room);
    const following = [...rooms.keys()].sort().find((name) => name > listed.name);
    byId("rooms").insertBefore(room.card.element, rooms.get(following)?.card.element ?? null);
  }
  room.listed = listed;
  room.card.show(room);
}

/** `change` brings a room up to date, and returns what became different. */
function showChanges(name, change) {
  const room = rooms.get(name);
  if (!room) return;
  eventsReceived += 1;
  const changes = change(room);
  if (!changes) {
    link.startOver();
    return;
  }
  room.lastSeen = Date.now();
  room.card.show(room);
  tell(room, changes);
  showTotals();
}

function showTotals() {
  const peopleInAll = sum([...rooms.values()].map((room) => room.count));
  showNumber("total-rooms", roomsInAll);
  showNumber("total-people", peopleInAll);
  showNumber("total-events", eventsReceived);
  document.title = `${countOf(peopleInAll)} · livekit-presence`;
  byId("no-rooms").hidden = rooms.size > 0;
  byId("more-rooms").hidden = roomsInAll <= rooms.size;
  byId("more-rooms").textContent = `${rooms.size} of ${roomsInAll} rooms are shown.`;
  showCommand();
}

function showCommand() {
  const room = encodeURIComponent([...rooms.keys()].sort()[0] ?? "general").replaceAll("'", "%27");
  const url = new URL(`api/livekit/rooms/stream?room=${room}`, document.baseURI);
  url.hash = "";
  const text = `curl -N '${url}'${accessToken() ? ' -H "Authorization: Bearer $TOKEN"' : ""}`;
  if (byId("curl").textContent !== text) byId("curl").textContent = text;
}

function showProblem(problem) {
  const sentence = problem.message.charAt(0).toUpperCase() + problem.message.slice(1);
  const parts = (/[.!?]$/u.test(sentence) ? sentence : `${sentence}.`).split("`");
  byId("problem-text").replaceChildren(...parts.map((part, index) => (index % 2 === 0 ? part : codeOf(part))));
  byId("problem-since").textContent = lastSignOfLife ? `What you see is from ${clockTime(lastSignOfLife)}.` : "";
  byId("problem-token").hidden = problem.status !== 401 && problem.status !== 403;
  byId("problem").hidden = false;
}

/** The service writes what is code between backticks. */
function codeOf(text) {
  const code = document.createElement("code");
  code.textContent = text;
  return code;
}

function refreshIfVisible() {
  if (!document.hidden) link.refresh();
}

byId("dot").addEventListener("animationend", () => byId("dot").classList.remove("beat"));
byId("retry").addEventListener("click", () => link.retryNow());
addEventListener("online", () => link.retryNow());
addEventListener("hashchange", () => location.reload());
document.addEventListener("visibilitychange", refreshIfVisible);
setInterval(refreshIfVisible, ASK_FOR_ROOMS_EVERY);
setInterval(() => link.tick(Date.now()), 1_000);
setInterval(() => rooms.forEach((room) => room.card.showStays()), ASK_FOR_ROOMS_EVERY);
link.refresh();
