// What happened, newest first.

import { copyOf, fillAvatar, initialsOf } from "./parts.js";
import { nameOf } from "./room.js";
import { clockTime } from "./time.js";

const MOST_ENTRIES = 30;

const DEEDS = {
  participant_joined: () => "joined",
  participant_left: () => "left",
  track_published: ({ track }) => STARTED[track?.source],
  track_unpublished: ({ track }) => STOPPED[track?.source],
};
const STARTED = {
  MICROPHONE: "turned the microphone on in",
  CAMERA: "turned the camera on in",
  SCREEN_SHARE: "started sharing the screen in",
};
const STOPPED = {
  MICROPHONE: "turned the microphone off in",
  CAMERA: "turned the camera off in",
  SCREEN_SHARE: "stopped sharing the screen in",
};
const OF_ROOMS = { room_started: "opened", room_finished: "closed" };

export class Activity {
  #element;

  constructor(element) {
    this.#element = element;
  }

  /** Adds an entry for an event, if it is worth one. */
  tell({ event, room, data, timestamp }) {
    const deed = data.participant && DEEDS[event]?.(data);
    if (deed) this.#add(nameOf(data.participant), data.participant.identity, deed, room, timestamp);
    else if (OF_ROOMS[event]) this.#add(room, room, OF_ROOMS[event], "", timestamp);
  }

  #add(who, identity, deed, where, timestamp) {
    const entry = copyOf("entry");
    fillAvatar(entry.querySelector(".avatar"), initialsOf(who), identity);
    entry.querySelector(".name").textContent = who;
    entry.querySelector(".did").textContent = deed;
    entry.querySelector(".where").textContent = where;
    entry.querySelector("time").textContent = clockTime(new Date(timestamp));
    entry.classList.add("is-new");
    this.#element.prepend(entry);
    while (this.#element.children.length > MOST_ENTRIES) this.#element.lastElementChild.remove();
  }
}
