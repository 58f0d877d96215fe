// A room as the page shows it, and the choice of rooms to show. Draws nothing.

/** The service takes at most this many rooms on one stream. */
const MOST_ROOMS = 100;
/** Many proxies refuse a request line above 8 KB, which must have room for a token too. */
const MOST_QUERY = 6_000;
/** How long a room is still shown after it ended. */
const EMPTY_ROOM_STAYS = 6_000;

/** One room: its people by identity, in the order of the service's list. */
export class Room {
  people = new Map();
  /** Null until the first list arrives. */
  version = null;
  /** The number from the list of rooms, which is shown until then. */
  listed;
  lastSeen = Date.now();

  constructor(name, listed) {
    this.name = name;
    this.listed = listed;
  }

  get count() {
    return this.version === null ? this.listed.numParticipants : this.people.size;
  }

  replace({ version, participants }) {
    this.people = new Map(participants.map((person) => [person.identity, person]));
    this.version = version;
    this.lastSeen = Date.now();
  }
}

/** The rooms as a query. Its length counts towards that of the address. */
export function queryOf(rooms) {
  return new URLSearchParams(rooms.map((room) => ["room", room])).toString();
}

/**
 * The rooms to show: those in the list and those that just ended. If too many, first those that are looked at, then those already
 * shown, then the fullest.
 */
export function chooseRooms(list, shown, lookedAt) {
  const listed = new Set(list.map(({ name }) => name));
  const ended = [...shown.values()].filter(({ name }) => !listed.has(name));
  const lingering = ended.filter(({ people, lastSeen }) => people.size > 0 || Date.now() - lastSeen < EMPTY_ROOM_STAYS);
  const candidates = [...list, ...lingering.map((room) => ({ ...room.listed, numParticipants: 0 }))];
  const rank = ({ name }) => lookedAt.includes(name) * 2 + shown.has(name);
  candidates.sort((a, b) => rank(b) - rank(a) || b.numParticipants - a.numParticipants);
  let length = 0;
  return candidates.slice(0, MOST_ROOMS).filter(({ name }) => {
    length += queryOf([name]).length + 1;
    return length <= MOST_QUERY;
  });
}

/** A person's name, or their identity. Anybody can choose any name, so the page sets names only as text. */
export const nameOf = (person) => person.name.trim() || person.identity;

/** Whether a person sends from a source, such as `MICROPHONE`. */
export const isOn = (person, source) => person.tracks.some((track) => track.source === source && !track.muted);
