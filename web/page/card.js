// The card of a room, with a row for each person.

import { copyOf, countOf, fillAvatar, initialsOf, leave, setText } from "./parts.js";
import { isOn, nameOf } from "./room.js";
import { clockTime, since } from "./time.js";

const MOST_PEOPLE_SHOWN = 100;
/** The number of rows that fit onto a card before it scrolls. */
const CARD_HOLDS = 12;
const ICONS = { MICROPHONE: "microphone", CAMERA: "camera", SCREEN_SHARE: "screen" };

export class RoomCard {
  #rows = new Map();
  /** People who were there when the page opened do not arrive. */
  #isFilled = false;

  constructor(name) {
    this.element = copyOf("room");
    const find = (selector) => this.element.querySelector(selector);
    this.parts = { count: find(".count"), list: find(".people"), hint: find(".hint") };
    find("h3 bdi").textContent = name;
    find("h3").title = name;
    this.element.setAttribute("aria-label", name);
    this.parts.list.setAttribute("aria-label", `People in ${name}`);
  }

  show(room) {
    const { count, hint, list } = this.parts;
    const hidden = room.people.size - MOST_PEOPLE_SHOWN;
    const isAll = room.listed.exact || room.count === 0;
    setText(count, room.count === 0 ? "empty" : `${isAll ? "" : "at least "}${countOf(room.count)}`);
    setText(hint, room.count === 0 ? "Nobody is here." : hidden > 0 ? `and ${hidden.toLocaleString("en")} more` : "");
    this.#showPeople([...room.people.values()].slice(0, MOST_PEOPLE_SHOWN));
    this.#isFilled = room.version !== null;
    // A list that scrolls must be reachable by keyboard.
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
      // Move only rows in the wrong place: a move starts the animation again.
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

class PersonRow {
  constructor() {
    this.element = copyOf("person");
    const find = (selector) => this.element.querySelector(selector);
    this.parts = {
      avatar: find(".avatar"),
      name: find(".name"),
      kind: find(".kind"),
      stay: find(".stay"),
      sources: find(".sources"),
    };
  }

  show(person) {
    if (person === this.person) return;
    this.person = person;
    const { avatar, name, kind, sources, stay } = this.parts;
    fillAvatar(avatar, initialsOf(nameOf(person)), person.identity);
    name.textContent = nameOf(person);
    name.title = `${nameOf(person)} (${person.identity})`;
    kind.hidden = person.kind === "STANDARD";
    kind.textContent = kind.title = person.kind;
    sources.replaceChildren(...iconsOf(person));
    stay.title = `since ${clockTime(new Date(person.joinedAt))}`;
    this.showStay();
  }

  showStay() {
    setText(this.parts.stay, since(this.person.joinedAt));
  }
}

/** The sources that a person has published, muted or not. */
function iconsOf(person) {
  const published = Object.entries(ICONS).filter(([source]) => person.tracks.some((track) => track.source === source));
  return published.map(([source, icon]) => {
    const isMuted = !isOn(person, source);
    return createIcon(icon, `${icon} ${isMuted ? "muted" : "on"}`, isMuted);
  });
}

/** An icon, from the symbols in index.html. */
function createIcon(icon, label, isMuted) {
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
