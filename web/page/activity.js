// The log of what people did, newest first.

import { copyOf, countOf, fillAvatar, initialsOf } from "./parts.js";
import { isOn, nameOf } from "./room.js";
import { clockTime } from "./time.js";

const MOST_ENTRIES = 30;
/** More changes than this at once become one entry. */
const MOST_TOLD_ONE_BY_ONE = 4;

const SOURCES = [
  { source: "MICROPHONE", began: "turned the microphone on in", ended: "turned the microphone off in" },
  { source: "CAMERA", began: "turned the camera on in", ended: "turned the camera off in" },
  { source: "SCREEN_SHARE", began: "started sharing the screen in", ended: "stopped sharing the screen in" },
];

export class Activity {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** Adds what happened in a room, given pairs of a person before and after. */
  tell(room, changes) {
    const told = changes.flatMap(([before, after]) =>
      deeds(before, after).map((deed) => ({ person: after ?? before, deed })),
    );
    for (const [deed, those] of Map.groupBy(told, (one) => one.deed)) {
      if (those.length > MOST_TOLD_ONE_BY_ONE) {
        this.#add({ who: countOf(those.length), avatar: those.length, identity: room.name }, deed, room);
        continue;
      }
      for (const { person } of those) {
        const who = nameOf(person);
        this.#add({ who, avatar: initialsOf(who), identity: person.identity }, deed, room);
      }
    }
  }

  #add({ who, avatar, identity }, deed, room) {
    const entry = copyOf("entry");
    fillAvatar(entry.querySelector(".avatar"), avatar, identity);
    entry.querySelector(".name").textContent = who;
    entry.querySelector(".did").textContent = deed;
    entry.querySelector(".where").textContent = room.name;
    entry.querySelector("time").textContent = clockTime();
    entry.classList.add("is-new");
    this.#element.prepend(entry);
    while (this.#element.children.length > MOST_ENTRIES) this.#element.lastElementChild.remove();
  }
}

/** What a person did; nothing if it is not worth an entry. */
function deeds(before, after) {
  if (!before) return ["joined"];
  if (!after) return ["left"];
  if (before.sid !== after.sid) return ["reconnected to"];
  return SOURCES.flatMap(({ source, began, ended }) => {
    const did = isOn(after, source) - isOn(before, source);
    return did === 0 ? [] : [did > 0 ? began : ended];
  });
}
