// A room as the page shows it, and which rooms it shows. Nothing here draws.

/** What one stream takes. */
const MOST_ROOMS = 100;
/** Proxies commonly refuse a request line above 8 KB, and the token needs a place in it. */
const MOST_QUERY = 6_000;
/** How long a room that ended is still shown. */
const EMPTY_ROOM_STAYS = 6_000;

/** One room: its people by identity, in the order of the service's list. */
export class Room {
  people = new Map();
  /** Null until its list is known. */
  version = null;
  /** What the list of rooms says, to be shown until then. */
  listed;
  lastSeen = Date.now();

  constructor(name, listed) {
    this.name = name;
    this.listed = listed;
  }

  get count() {
    return this.version === null ? this.listed.numParticipants : this.people.size;
  }

  /** Returns what is different, as pairs of a person before and after; nothing at first, when all is. */
  replace({ version, participants }) {
    const before = this.people;
    this.people = new Map(participants.map((person) => [person.identity, person]));
    const isFirst = this.version === null;
    this.version = version;
    this.lastSeen = Date.now();
    if (isFirst) return [];
    const gone = [...before.values()].filter(({ identity }) => !this.people.has(identity));
    const others = participants.filter((person) => before.get(person.identity) !== person);
    return [...gone.map((person) => [person, null]), ...others.map((person) => [before.get(person.identity), person])];
  }
}

/** The rooms as a query, which is how long it makes the address, too. */
export function queryOf(rooms) {
  return new URLSearchParams(rooms.map((room) => ["room", room])).toString();
}

/** Which rooms to show: those in the list, and those that just ended. If they are too many, those already shown, then the fullest. */
export function chooseRooms(list, shown) {
  const listed = new Set(list.map(({ name }) => name));
  const ended = [...shown.values()].filter(({ name }) => !listed.has(name));
  const lingering = ended.filter(({ people, lastSeen }) => people.size > 0 || Date.now() - lastSeen < EMPTY_ROOM_STAYS);
  const candidates = [...list, ...lingering.map((room) => ({ ...room.listed, numParticipants: 0 }))];
  candidates.sort((a, b) => shown.has(b.name) - shown.has(a.name) || b.numParticipants - a.numParticipants);
  let length = 0;
  return candidates.slice(0, MOST_ROOMS).filter(({ name }) => {
    length += queryOf([name]).length + 1;
    return length <= MOST_QUERY;
  });
}

/** What somebody is called. Names are anybody's choice, so they are only ever set as text. */
export const nameOf = (person) => person.name.trim() || person.identity;

/** Whether somebody sends from a source, such as `MICROPHONE`. */
export const isOn = (person, source) => person.tracks.some((track) => track.source === source && !track.muted);
