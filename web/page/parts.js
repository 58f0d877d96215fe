// Small parts that several files of the page draw with.

/** The duration of the animations in style.css. */
const LEAVING_TAKES = 320;

export const byId = (id) => document.getElementById(id);

/** A copy of a template of index.html. */
export function copyOf(templateId) {
  return byId(templateId).content.firstElementChild.cloneNode(true);
}

/** Sets a text only if it differs, so that the browser does not draw it or read it out again, or lose the selection. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A row for each of some people. People who stay keep the same row, so that readers keep their place. */
export class PeopleRows {
  #element;
  #templateId;
  #rows = new Map();

  constructor(element, templateId) {
    this.#element = element;
    this.#templateId = templateId;
  }

  /** Shows these people in this order. `fill` writes into a row what differs. */
  show(people, fill) {
    const before = this.#rows;
    const rowOf = ({ identity }) => before.get(identity) ?? copyOf(this.#templateId);
    this.#rows = new Map(people.map((person) => [person.identity, rowOf(person)]));
    for (const [identity, row] of before) if (!this.#rows.has(identity)) row.remove();
    let next = this.#element.firstElementChild;
    for (const person of people) {
      const row = this.#rows.get(person.identity);
      fill(row, person);
      // Move only rows in the wrong place: a move starts the animation again.
      if (row === next) next = next.nextElementSibling;
      else this.#element.insertBefore(row, next);
    }
  }
}

export function countOf(people) {
  return people === 1 ? "1 person" : `${people.toLocaleString("en")} people`;
}

export function fillAvatar(element, text, identity) {
  element.textContent = text;
  element.style.setProperty("--hue", hueOf(identity));
}

export function initialsOf(name) {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words.at(-1)] : words;
  return ends
    .map((word) => [...word][0] ?? "?")
    .join("")
    .toUpperCase();
}

/** Removes an element after its animation. By a timer, because an animation that is turned off never ends. */
export function leave(element) {
  element.classList.add("is-leaving");
  element.setAttribute("aria-hidden", "true");
  setTimeout(() => element.remove(), LEAVING_TAKES);
}

/** A hue from 0 to 359, always the same for a text (FNV-1a). */
function hueOf(text) {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0), 0x01000193) >>> 0;
  return hash % 360;
}
