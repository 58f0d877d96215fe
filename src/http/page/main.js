// The page: every room of this service, live. It starts here.
//
// link.js        asks which rooms there are, and watches them on one EventSource
// service.js     what is asked of the service, and with which token
// room.js        folds snapshots and deltas into the people of a room
// board.js       draws the rooms, each as a card of card.js
// activity.js    tells what happened
// parts.js       small parts to draw with; time.js: times as they are written

import { Activity } from "./activity.js";
import { Board } from "./board.js";
import { Link } from "./link.js";
import { byId, countOf, setText } from "./parts.js";
import { Room, chooseRooms } from "./room.js";
import { accessToken, queryOf } from "./service.js";
import { clockTime, setServiceClock } from "./time.js";

const ASK_FOR_ROOMS_EVERY = 5_000;
const STATES = { live: "Live", connecting: "Connecting…", disconnected: "Disconnected" };

const rooms = new Map();
const board = new Board(byId("rooms"));
const activity = new Activity(byId("feed"));
let eventsReceived = 0;
let roomsInAll = 0;
let lastSignOfLife = null;

const link = new Link({
  onRooms(list) {
    const chosen = chooseRooms(list, rooms);
    const names = new Set(chosen.map(({ name }) => name));
    for (const name of rooms.keys()) if (!names.has(name)) forgetRoom(name);
    for (const listed of chosen) keepRoom(listed);
    for (const { name } of list) if (rooms.has(name)) rooms.get(name).lastSeen = Date.now();
    roomsInAll = list.length;
    showTotals();
    return [...rooms.keys()].sort();
  },

  onSnapshot(snapshot) {
    changeRoom(snapshot.room, (room) => room.replace(snapshot));
  },

  onDelta(delta) {
    changeRoom(delta.room, (room) => room.fold(delta));
  },

  onServiceTime: setServiceClock,

  onSignOfLife() {
    lastSignOfLife = new Date();
    byId("dot").classList.add("beat");
  },

  onState(state, problem) {
    byId("link").dataset.state = state;
    setText(byId("link-state"), STATES[state]);
    if (state !== "connecting") document.body.classList.toggle("is-old", state === "disconnected");
    // While a retry is under way the reason for it stays, so that the page does not jump.
    if (problem) showProblem(problem);
    else if (state === "live") hideProblem();
    else setText(byId("problem-wait"), "Trying again…");
  },

  onWait(seconds) {
    setText(byId("problem-wait"), `Trying again in ${seconds} s.`);
  },
});

function keepRoom(listed) {
  const room = rooms.get(listed.name) ?? new Room(listed.name, listed);
  rooms.set(listed.name, room);
  room.listed = listed;
  board.show(room);
}

function forgetRoom(name) {
  rooms.delete(name);
  board.remove(name);
}

/** `change` brings a room up to date, and returns what became different; null when a message is missing. */
function changeRoom(name, change) {
  const room = rooms.get(name);
  if (!room) return;
  eventsReceived += 1;
  const changes = change(room);
  if (!changes) {
    link.startOver();
    return;
  }
  room.lastSeen = Date.now();
  board.show(room);
  activity.tell(room, changes);
  byId("no-feed").hidden = byId("feed").children.length > 0;
  showTotals();
}

function showTotals() {
  const peopleInAll = [...rooms.values()].reduce((sum, room) => sum + room.count, 0);
  setText(byId("total-rooms"), roomsInAll.toLocaleString("en"));
  setText(byId("total-people"), peopleInAll.toLocaleString("en"));
  setText(byId("total-events"), eventsReceived.toLocaleString("en"));
  document.title = `${countOf(peopleInAll)} · livekit-presence`;
  byId("no-rooms").hidden = rooms.size > 0;
  byId("more-rooms").hidden = roomsInAll <= rooms.size;
  setText(byId("more-rooms"), `${rooms.size} of ${roomsInAll.toLocaleString("en")} rooms are shown.`);
  showCommand();
}

function showCommand() {
  const query = queryOf([[...rooms.keys()].sort()[0] ?? "general"]).replaceAll("'", "%27");
  const url = new URL(`api/livekit/rooms/stream?${query}`, location);
  setText(byId("curl"), `curl -N '${url}'${accessToken ? ' -H "Authorization: Bearer $TOKEN"' : ""}`);
}

function showProblem(problem) {
  const sentence = problem.message.charAt(0).toUpperCase() + problem.message.slice(1);
  byId("problem-text").replaceChildren(...withCode(/[.!?]$/u.test(sentence) ? sentence : `${sentence}.`));
  // Without a token there is only one thing to say.
  byId("problem-reason").hidden = problem.isAboutToken && !accessToken;
  byId("problem-token").hidden = !problem.isAboutToken;
  setText(byId("problem-address"), new URL("#access_token=TOKEN", location).href);
  setText(byId("problem-since"), lastSignOfLife ? `What you see is from ${clockTime(lastSignOfLife)}.` : "");
  byId("problem").hidden = false;
  setText(byId("link-reason"), byId("problem-message").innerText);
}

function hideProblem() {
  byId("problem").hidden = true;
  setText(byId("link-reason"), "");
}

/** The service writes what is code between backticks. */
function withCode(text) {
  return text.split("`").map((part, index) => {
    if (index % 2 === 0) return part;
    const code = document.createElement("code");
    code.textContent = part;
    return code;
  });
}

function refreshIfVisible() {
  if (!document.hidden) link.refresh();
}

byId("dot").addEventListener("animationend", () => byId("dot").classList.remove("beat"));
byId("retry").addEventListener("click", () => link.retryNow());
addEventListener("online", () => link.retryNow());
// Another token.
addEventListener("hashchange", () => location.reload());
document.addEventListener("visibilitychange", refreshIfVisible);
setInterval(refreshIfVisible, ASK_FOR_ROOMS_EVERY);
setInterval(() => link.tick(Date.now()), 1_000);
setInterval(() => board.showStays(), ASK_FOR_ROOMS_EVERY);
showCommand();
link.refresh();
