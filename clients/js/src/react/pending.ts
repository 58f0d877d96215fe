// Changes that a page has asked for and the service does not show yet. They are laid over what it shows, so that a moderator sees at
// once what they did. Nothing here asks the service or knows React.

import { isAlike } from "../shown.js";

/** What a change does to somebody. */
export interface Change<Item> {
  readonly identity: string;
  /** What becomes of the item, where undefined is none. Changes nothing where it has happened already. */
  readonly apply: (item: Item | undefined) => Item | undefined;
}

/** A change that is laid over. */
export interface Laid<Item> {
  /** The service has made it, and perhaps otherwise than it was asked for: it stays until the service shows it. */
  settle(made?: Change<Item>["apply"]): void;
  /** The service has refused it. Does nothing once it is settled. */
  drop(): void;
}

interface Pending<Item> {
  readonly identity: string;
  apply: Change<Item>["apply"];
  isSettled: boolean;
  /** Whether the service has shown it. */
  isShown: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** The changes of one list, in the order in which they were asked for. */
export class PendingChanges<Item extends { readonly identity: string }> {
  private pending: Pending<Item>[] = [];
  /** The newest list of the service. Null before the first: nothing can be compared with that. */
  private seen: readonly Item[] | null = null;
  private shown: readonly Item[] = Object.freeze([]);
  private isOld = false;

  constructor(
    /** Called when the list to show is another without the service's doing. */
    private readonly onChange: () => void,
    /** How long a change that was made waits to be shown, in milliseconds. Then what the service shows counts. */
    private readonly waits: () => number,
    /** The order of the list, for those that a change adds. */
    private readonly order: (a: Item, b: Item) => number,
  ) {}

  /** The list of the service with all changes over it. The same list and items until something changes. */
  over(items: readonly Item[]): readonly Item[] {
    if (items !== this.seen) {
      this.seen = items;
      this.isOld = true;
      this.takeOff();
    }
    if (this.isOld) this.shown = this.laidOver(items);
    this.isOld = false;
    return this.shown;
  }

  add(change: Change<Item>): Laid<Item> {
    const pending: Pending<Item> = { ...change, isSettled: false, isShown: false, timer: undefined };
    this.pending.push(pending);
    this.change();
    return {
      settle: (made) => {
        pending.isSettled = true;
        // It may have been forgotten.
        if (!this.pending.includes(pending)) return;
        // What was seen until now may only look like what was made.
        if (made) Object.assign(pending, { apply: made, isShown: false });
        pending.timer = setTimeout(() => this.remove(pending), this.waits());
        this.change();
      },
      drop: () => {
        if (!pending.isSettled) this.remove(pending);
      },
    };
  }

  /** Nobody looks any more. */
  forget(): void {
    for (const { timer } of this.pending) clearTimeout(timer);
    this.pending = [];
    this.isOld = true;
  }

  private remove(pending: Pending<Item>): void {
    clearTimeout(pending.timer);
    if (!this.pending.includes(pending)) return;
    this.pending = this.pending.filter((other) => other !== pending);
    this.change();
  }

  private change(): void {
    this.isOld = true;
    this.takeOff();
    this.onChange();
  }

  /**
   * Takes off what was made and is shown. Of one person, only the first change is compared: the service's list may be from before
   * all of them, and then looks as if it had the last one where that takes back the others.
   */
  private takeOff(): void {
    if (!this.seen) return;
    const items = new Map(this.seen.map((item) => [item.identity, item]));
    const waiting = new Set<string>();
    this.pending = this.pending.filter((pending) => {
      const { identity, timer } = pending;
      if (waiting.has(identity)) return true;
      const item = items.get(identity);
      pending.isShown ||= isAlike(pending.apply(item), item);
      if (pending.isSettled && pending.isShown) {
        clearTimeout(timer);
        return false;
      }
      waiting.add(identity);
      return true;
    });
  }

  private laidOver(seen: readonly Item[]): readonly Item[] {
    if (this.pending.length === 0) return seen;
    const items = new Map(seen.map((item) => [item.identity, item]));
    for (const { identity, apply } of this.pending) {
      const before = items.get(identity);
      const now = apply(before);
      if (isAlike(before, now)) continue;
      if (now) items.set(identity, now);
      else items.delete(identity);
    }
    const before = new Map(this.shown.map((item) => [item.identity, item]));
    const list = [...items].map(([identity, item]) => {
      const known = before.get(identity);
      return isAlike(known, item) ? known! : item;
    });
    const known = new Set(seen.map(({ identity }) => identity));
    if (list.some(({ identity }) => !known.has(identity))) list.sort(this.order);
    const isSame = list.length === this.shown.length && list.every((item, index) => item === this.shown[index]);
    return isSame ? this.shown : Object.freeze(list);
  }
}
