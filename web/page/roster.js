// Who is expected in a room, is inside, or was; and, for whoever may moderate it, buttons to promote, mute, remove and ban them. It is
// there if the service keeps a roster or lets this page moderate.

import { mayModerate, moderate, requestToken, watchRoster } from "../../clients/js/src/moderate/index.ts";
import { PeopleRows, byId, copyOf, setText } from "./parts.js";
import { isOn, nameOf } from "./room.js";
import { clockTime } from "./time.js";
import { accessToken } from "./token.js";

const MOST_PEOPLE = 100;
/** Who the page is to the service that lets anybody moderate. */
const USERNAME = "visitor";
/** How long the button to ban waits to be pressed again, in milliseconds. */
const ASKS_FOR = 5_000;
const STATUSES = { INVITED: "Invited", JOINED: "Inside", LEFT: "Has left" };
/** Promoted and demoted, as long as nobody has changed the roles of the service. */
const [VIEWER, SPEAKER] = ["viewer", "speaker"];

export class RosterTable {
  #service;
  #features;
  #room = null;
  /** Whether the room stays until somebody chooses another one. */
  #isSettled = false;
  #watch = null;
  #moderator = null;
  /** The newest list of each room of the page. */
  #states = new Map();
  #rows = new PeopleRows(byId("roster-rows"), "roster-person");
  #isPlanned = false;

  /** `features` says whether the service keeps a roster, and whether it makes a token for anybody. */
  constructor(service, features) {
    this.#service = service;
    this.#features = features;
    byId("roster-room").addEventListener("change", ({ target }) => this.#choose(target.value));
    byId("roster-mute-all").addEventListener("click", () => this.#act((moderator) => moderator.muteAll()));
    byId("roster-invite").addEventListener("submit", (event) => this.#invite(event));
  }

  /** Offers rooms to look at. Until somebody chooses, the one with the most people is shown. */
  offer(rooms) {
    const select = byId("roster-room");
    const offered = new Set([...select.options].map(({ value }) => value));
    for (const { name } of rooms) if (!offered.has(name)) select.add(new Option(name, name));
    const [fullest] = [...rooms].sort((a, b) => b.numParticipants - a.numParticipants);
    if (!fullest || this.#isSettled) return;
    this.#isSettled = true;
    byId("roster").hidden = false;
    select.value = fullest.name;
    void this.#follow(fullest.name);
  }

  /** The room that is looked at; null until there is one. */
  get room() {
    return this.#room;
  }

  /** Takes the newest list of a room. */
  see(name, state) {
    this.#states.set(name, state);
    if (name === this.#room) this.#show();
  }

  /** What was seen of a room grows old: it is not watched any more. */
  forget(name) {
    this.#states.delete(name);
  }

  #choose(room) {
    this.#isSettled = true;
    void this.#follow(room);
  }

  async #follow(room) {
    this.#watch?.close();
    this.#room = room;
    this.#moderator = null;
    this.#watch = this.#features.hasRoster
      ? watchRoster({ ...this.#service, room, whenHidden: "close", onUpdate: () => this.#show() })
      : null;
    this.#say("");
    this.#show();
    const moderator = await this.#moderatorOf(room);
    if (room !== this.#room) return;
    this.#moderator = moderator;
    this.#show();
  }

  /** A moderator with the page's own token, or with one that the service makes for anybody. Null if there is none. */
  async #moderatorOf(room) {
    const { url } = this.#service;
    if (mayModerate(accessToken, room)) return moderate({ url, room, token: accessToken });
    if (!this.#features.makesTokens) return null;
    const token = async () => (await requestToken({ url, room, username: USERNAME })).token;
    const first = await token().catch(() => null);
    return mayModerate(first, room) ? moderate({ url, room, token }) : null;
  }

  /** Makes a call of the moderator. Why the service refuses stands above the table. */
  async #act(call, button) {
    if (!this.#moderator || button?.ariaDisabled === "true") return;
    if (button) button.ariaDisabled = "true";
    this.#say("");
    await call(this.#moderator).catch(({ detail }) => this.#say(detail));
    if (button) button.ariaDisabled = "false";
    this.#show();
  }

  #invite(event) {
    event.preventDefault();
    const field = byId("roster-identity");
    const identity = field.value.trim();
    if (!identity) return;
    field.value = "";
    void this.#act((moderator) => moderator.roster.put(identity, { role: SPEAKER }));
  }

  #say(refusal) {
    setText(byId("roster-refusal"), refusal);
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
    const { entries, onlineCount, totalCount, error } = this.#watch?.snapshot() ?? { entries: [], totalCount: null };
    const people = this.#states.get(this.#room)?.participants ?? [];
    const rows = rowsOf(entries, people);
    setText(byId("roster-numbers"), totalCount === null ? "" : `${onlineCount} of ${totalCount} are inside`);
    setText(byId("roster-note"), error?.message ?? (rows.length === 0 ? "Nobody is on the roster." : ""));
    byId("roster-scroll").hidden = rows.length === 0;
    byId("roster-more").hidden = rows.length <= MOST_PEOPLE;
    const canModerate = this.#moderator !== null;
    for (const id of ["roster-mute-all", "roster-actions"]) byId(id).hidden = !canModerate;
    byId("roster-invite").hidden = !canModerate || !this.#watch;
    this.#rows.show(rows.slice(0, MOST_PEOPLE), (line, row) => this.#fill(line, row));
  }

  #fill(line, row) {
    const [person, status, role, microphone, actions] = line.children;
    setText(person.firstElementChild, row.name);
    person.title = row.identity;
    setText(status, row.status);
    status.title = row.since ? `since ${clockTime(new Date(row.since))}` : "";
    setText(role, row.role);
    setText(microphone, row.microphone);
    actions.hidden = this.#moderator === null;
    if (actions.hidden) return;
    if (actions.children.length === 0) actions.append(...this.#buttonsFor(row.identity));
    for (const button of actions.children) button.row = row;
    showButtons(actions, row);
  }

  /** The buttons of a person, which stay while what they say and do changes. */
  #buttonsFor(identity) {
    const create = (name, call) => {
      const button = copyOf("roster-button");
      button.name = name;
      button.addEventListener("click", () => {
        if (name === "ban" && !isConfirmed(button)) return;
        void this.#act((moderator) => call(moderator, button.row), button);
      });
      return button;
    };
    return [
      create("promote", (moderator, { isSpeaker }) => moderator.update(identity, promotion(!isSpeaker, this.#watch))),
      create("mute", (moderator, { open }) => Promise.all(open.map((sid) => moderator.mute(identity, sid)))),
      create("remove", (moderator, { isInside }) =>
        isInside ? moderator.remove(identity) : moderator.roster.delete(identity),
      ),
      create("ban", (moderator) => moderator.ban(identity)),
    ];
  }
}

/** Without a roster, LiveKit's own permission is changed. */
const promotion = (isUp, roster) => (roster ? { role: isUp ? SPEAKER : VIEWER } : { permission: { canPublish: isUp } });

/** Everybody on the roster, and those in the room whom it does not have yet. Those inside come first. */
function rowsOf(entries, people) {
  const inside = new Map(people.map((person) => [person.identity, person]));
  const listed = new Set(entries.map(({ identity }) => identity));
  const unlisted = people.filter(({ identity }) => !listed.has(identity));
  const rows = [
    ...entries.map((entry) => rowOf(entry.identity, entry, inside.get(entry.identity))),
    ...unlisted.map((person) => rowOf(person.identity, undefined, person)),
  ];
  return rows.sort((a, b) => b.isInside - a.isInside);
}

function rowOf(identity, entry, person) {
  const status = entry?.status ?? "JOINED";
  const microphones = (person?.tracks ?? []).filter(({ source, muted }) => source === "MICROPHONE" && !muted);
  const times = { INVITED: entry?.invitedAt, JOINED: entry?.joinedAt, LEFT: entry?.leftAt };
  return {
    identity,
    name: person ? nameOf(person) : entry.name?.trim() || identity,
    status: `${STATUSES[status]}${entry && !entry.invited ? ", uninvited" : ""}`,
    since: times[status] ?? null,
    role: entry?.role ?? "–",
    microphone: person ? (isOn(person, "MICROPHONE") ? "on" : "off") : "–",
    isInside: status === "JOINED",
    isSpeaker: entry ? entry.role === SPEAKER : (person.permission?.canPublish ?? true),
    /** Those of another role are not moved between the two. */
    isMovable: !entry || [VIEWER, SPEAKER].includes(entry.role),
    open: microphones.map(({ sid }) => sid),
  };
}

function showButtons(actions, { name, isInside, isSpeaker, isMovable, open }) {
  const [promote, mute, remove, ban] = actions.children;
  label(promote, isSpeaker ? "Demote" : "Promote", name);
  promote.hidden = !isMovable;
  label(mute, open.length > 0 ? "Mute" : "Muted", name);
  mute.hidden = !isInside;
  // It stays in its place, and keeps the keyboard focus.
  mute.ariaDisabled = String(open.length === 0);
  label(remove, isInside ? "Remove" : "Forget", name);
  label(ban, ban.asks ? "Ban for ever?" : "Ban", name);
}

function label(button, text, name) {
  setText(button.firstElementChild, text);
  setText(button.lastElementChild, ` ${name}`);
}

/** The first press asks, and the second one confirms. */
function isConfirmed(button) {
  clearTimeout(button.asks);
  const isSecond = !!button.asks;
  const ask = (asks) => {
    button.asks = asks;
    showButtons(button.parentElement, button.row);
  };
  ask(isSecond ? null : setTimeout(() => ask(null), ASKS_FOR));
  return isSecond;
}
