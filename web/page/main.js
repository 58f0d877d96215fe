// The page: every room, live. It starts here.
//
// Browsers get what `npm run build` in clients/js makes of these files, in web/page/built: minified, with what they import of
// the package, and with uPlot.
//
// connection.js         shows the state of the connection, and has the button that cuts it
// room.js               a room as the page shows it, and the choice of rooms to show
// board.js              draws the rooms; card.js draws each of them as a card
// activity.js           what happened, from the feed of events
// past.js               who was in a room, and when
// roster.js             who is expected in a room, and the buttons of a moderator
// inside.js             what the service does: charts.js draws the last hour, webhooks.js has the last webhooks
// features.js           what this service has
// parts.js              small parts to draw with; time.js: how times are written; token.js: the page's token

import { watchEvents, watchRoomList, watchRooms } from "../../clients/js/src/index.ts";
import { Activity } from "./activity.js";
import { Board } from "./board.js";
import { ConnectionState, cutConnection } from "./connection.js";
// All of it, since a feature that the service does not name is not there.
import * as features from "./features.js";
import { Inside } from "./inside.js";
import { byId, countOf, setText } from "./parts.js";
import { Past } from "./past.js";
import { Room, chooseRooms, queryOf } from "./room.js";
import { RosterTable } from "./roster.js";
import { accessToken } from "./token.js";

const LOOK_AROUND_EVERY = 1_000;

const rooms = new Map();
const board = new Board(byId("rooms"));
const activity = new Activity(byId("feed"));
const connection = new ConnectionState();
let eventsReceived = 0;
/** From when the list of rooms has come: whoever may read that may see this, too. */
let inside = null;

const service = { url: new URL(".", location).href, token: accessToken ?? undefined };
const past = features.hasHistory ? new Past(service) : null;
const roster = features.hasRoster || features.makesTokens ? new RosterTable(service, features) : null;
const lists = watchRooms(service);
// Tabs share the connection above, and have their own of these two. A hidden tab needs none: a browser opens only six connections to
// an HTTP/1.1 server. The events that it misses come when it is shown.
const own = { ...service, whenHidden: "close" };
const list = watchRoomList(own);
const events = watchEvents({ ...own, onEvent });

/** Shows the rooms of the list, and watches them. */
function onList() {
  const listed = list.snapshot().rooms;
  if (listed) {
    inside ??= new Inside(service, features);
    for (const { name } of listed) if (rooms.has(name)) rooms.get(name).lastSeen = Date.now();
    const chosen = chooseRooms(listed, rooms, [past?.room, roster?.room]);
    const names = new Set(chosen.map(({ name }) => name));
    for (const name of rooms.keys()) if (!names.has(name)) forgetRoom(name);
    for (const room of chosen) keepRoom(room);
    lists.setRooms([...names].sort());
    past?.offer(chosen);
    roster?.offer(chosen);
    showTotals(listed);
  }
  showConnection();
}

function keepRoom(listed) {
  const room = rooms.get(listed.name) ?? new Room(listed.name, listed);
  rooms.set(listed.name, room);
  room.listed = listed;
  board.show(room);
}

function forgetRoom(name) {
  rooms.delete(name);
  board.remove(name);
  past?.forget(name);
  roster?.forget(name);
}

/** Shows the changes in the watched rooms. */
function onChanges() {
  for (const [name, state] of lists.snapshot().rooms) {
    const room = rooms.get(name);
    if (!room || room.version === state.version) continue;
    room.replace(state);
    board.show(room);
    past?.see(name, state);
    roster?.see(name, state);
    connection.beat();
  }
  showConnection();
}

/** Shows what happened. */
function onEvent(event) {
  eventsReceived += 1;
  setText(byId("total-events"), eventsReceived.toLocaleString("en"));
  activity.tell(event);
  byId("no-feed").hidden = byId("feed").children.length > 0;
}

/** The link of the stream, if there is a room to watch. Otherwise that of the list of rooms. */
function showConnection() {
  connection.show(rooms.size > 0 ? lists.snapshot() : list.snapshot());
}

function showTotals(listed) {
  const roomsInAll = listed.length;
  const peopleInAll = listed.reduce((sum, { people }) => sum + people, 0);
  setText(byId("total-rooms"), roomsInAll.toLocaleString("en"));
  setText(byId("total-people"), peopleInAll.toLocaleString("en"));
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

function reconnect() {
  for (const watch of [list, lists, events]) watch.reconnect();
}

/** Whether the list of rooms is up to date. */
let wasThere = true;

list.subscribe(() => {
  const isThere = ["live", "polling"].includes(list.snapshot().status);
  // The service is back. The stream or the list of rooms may notice it first.
  if (isThere && !wasThere && lists.snapshot().status === "disconnected") lists.reconnect();
  wasThere = isThere;
  onList();
});
lists.subscribe(onChanges);
byId("dot").addEventListener("animationend", () => byId("dot").classList.remove("beat"));
byId("retry").addEventListener("click", reconnect);
byId("cut").addEventListener("click", cutConnection);
// The address has another token now.
addEventListener("hashchange", () => location.reload());
setInterval(() => {
  onList();
  board.showStays();
}, LOOK_AROUND_EVERY);
showCommand();
showConnection();
