// What all components of a page have in common of a watch: it opens with the first that wants something of it, and closes a
// moment after the last. Knows nothing of React but its way to subscribe.

import type { Link, RoomsWatch, Watch } from "../types.js";

/** What is not wanted any more stays for as long, in milliseconds: another page of the app may want it in a moment. */
const LINGERS = 1_000;

/** The link as a component sees it. */
export interface ShownLink extends Link {
  /** Connects anew, at once. The same function for as long as the provider's address and token are the same. */
  readonly reconnect: () => void;
}

/** What is held, and how a part of it is shown. */
export interface Held<Snapshot extends Link, Part, Shown extends ShownLink> {
  open(keys: readonly string[]): Watch<Snapshot> & Partial<Pick<RoomsWatch, "setRooms">>;
  /** What a snapshot has under a key, or what is shown before there is any: the same object until it is different. */
  part(snapshot: Snapshot | undefined, key: string): Part;
  show(part: Part, link: ShownLink): Shown;
}

/** Somebody wants it, or did a moment ago. */
interface Wanted<Part, Shown> {
  readonly listeners: Set<() => void>;
  part: Part;
  shown: Shown;
}

/** Holds a watch for as long as somebody wants a part of it, and tells each only of what is different in theirs. */
export class Holder<Snapshot extends Link, Part, Shown extends ShownLink> {
  /** Before there is a watch, and on a server. */
  readonly beginning: ShownLink;
  link: ShownLink;
  private readonly nothing: Shown;
  private readonly wanted = new Map<string, Wanted<Part, Shown>>();
  private watch: ReturnType<Held<Snapshot, Part, Shown>["open"]> | undefined;
  /** What the watch was told to watch. */
  private keys = new Set<string>();
  private settling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly held: Held<Snapshot, Part, Shown>,
    reconnect: () => void,
    /** Called when the link is different, or `isOpen`. */
    private readonly onLink: () => void,
  ) {
    this.link = this.beginning = Object.freeze({ status: "connecting", error: null, lastEventAt: null, reconnect });
    this.nothing = Object.freeze(held.show(held.part(undefined, ""), this.beginning));
  }

  get isOpen(): boolean {
    return this.watch !== undefined;
  }

  /** The same object until something is different. Without a key, what is shown before there is anything. */
  shown(key?: string): Shown {
    return (key !== undefined && this.wanted.get(key)?.shown) || this.nothing;
  }

  /** Calls `listener` after each change of what is shown under a key. Returns what ends that. */
  want(key: string, listener: () => void): () => void {
    const wanted = this.wanted.get(key) ?? this.begin(key);
    // Of its own, so that the same function can listen twice.
    const own = () => listener();
    wanted.listeners.add(own);
    return () => {
      wanted.listeners.delete(own);
      if (wanted.listeners.size > 0) return;
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.settle(), LINGERS);
    };
  }

  reconnect(): void {
    this.watch?.reconnect();
  }

  private begin(key: string): Wanted<Part, Shown> {
    const wanted = { listeners: new Set<() => void>(), part: this.held.part(undefined, key), shown: this.nothing };
    this.wanted.set(key, wanted);
    // All that mount together come on one stream: each change of the rooms opens another.
    queueMicrotask(() => this.settle());
    return wanted;
  }

  /** Watches what is wanted now. */
  private settle(): void {
    clearTimeout(this.settling);
    for (const [key, { listeners }] of this.wanted) if (listeners.size === 0) this.wanted.delete(key);
    const keys = new Set(this.wanted.keys());
    const isSame = keys.size === this.keys.size && [...keys].every((key) => this.keys.has(key));
    if (isSame) return;
    this.keys = keys;
    const wasOpen = this.isOpen;
    if (keys.size === 0) this.close();
    else if (this.watch) this.watch.setRooms?.(keys);
    else this.open([...keys]);
    this.refresh();
    if (this.isOpen !== wasOpen) this.onLink();
  }

  private open(keys: readonly string[]): void {
    this.watch = this.held.open(keys);
    this.watch.subscribe(() => this.refresh());
  }

  private close(): void {
    const watch = this.watch;
    this.watch = undefined;
    watch?.close();
  }

  private refresh(): void {
    const snapshot = this.watch?.snapshot();
    const { status, error, lastEventAt } = snapshot ?? this.beginning;
    const isLinkSame = status === this.link.status && error?.message === this.link.error?.message;
    if (!isLinkSame || lastEventAt !== this.link.lastEventAt) {
      this.link = Object.freeze({ ...this.link, status, error, lastEventAt });
      this.onLink();
    }
    for (const [key, wanted] of [...this.wanted]) this.update(wanted, this.held.part(snapshot, key));
  }

  private update(wanted: Wanted<Part, Shown>, now: Part): void {
    const { status, error } = this.link;
    const { shown } = wanted;
    const isPartSame = wanted.part === now;
    if (isPartSame && status === shown.status && error?.message === shown.error?.message) return;
    if (!isPartSame) wanted.part = now;
    // Of this part: the link's is of all, and who shows one room has nothing to do with the others.
    const lastEventAt = isPartSame ? shown.lastEventAt : this.link.lastEventAt;
    wanted.shown = Object.freeze(this.held.show(wanted.part, { ...this.link, lastEventAt }));
    for (const listener of [...wanted.listeners]) listener();
  }
}
