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
