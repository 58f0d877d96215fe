// The board: a card for each room, ordered by name.

import { RoomCard } from "./card.js";
import { leave } from "./parts.js";

export class Board {
  #element;
  #cards = new Map();

  constructor(element) {
    this.#element = element;
  }

  show(room) {
    const card = this.#cards.get(room.name) ?? this.#add(room.name);
    card.show(room);
  }

  remove(name) {
    leave(this.#cards.get(name).element);
    this.#cards.delete(name);
  }

  /** Updates the times on the cards, which change without any message. */
  showStays() {
    for (const card of this.#cards.values()) card.showStays();
  }

  #add(name) {
    const card = new RoomCard(name);
    const following = [...this.#cards.keys()].sort().find((other) => other > name);
    this.#element.insertBefore(card.element, this.#cards.get(following)?.element ?? null);
    this.#cards.set(name, card);
    return card;
  }
}
