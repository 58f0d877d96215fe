// Shares one watch between all components of a page: opens it for the first that wants a part of it, and closes it a moment after
// the last. Knows nothing of React but how `useSyncExternalStore` subscribes.

import type { Link, RoomsWatch, Watch } from "../types.js";

/** How long an unwanted part stays, in milliseconds: the next page of the app may want it at once. */
const LINGER_DELAY = 1_000;

/** The link as a component sees it. */
export interface ShownLink extends Link {
  /** Connects again at once. The same function while the provider's address and token stay the same. */
  readonly reconnect: () => void;
}

/** How to open the shared watch, and how to show a part of it. */
export interface SharedWatch<Snapshot extends Link, Part, Shown extends ShownLink> {
  open(keys: readonly string[]): Watch<Snapshot> & Partial<Pick<RoomsWatch, "setRooms">>;
  /** The part of a snapshot under a key, or its initial value if there is no snapshot. The same object until it changes. */
  part(snapshot: Snapshot | undefined, key: string): Part;
  show(part: Part, link: ShownLink): Shown;
}

/** A part that some component wants, or wanted a moment ago. */
interface Wanted<Part, Shown> {
  readonly listeners: Set<() => void>;
  part: Part;
  shown: Shown;
}

/** Keeps a watch open while some component wants a part of it, and tells each component only of changes to its own part. */
export class Holder<Snapshot extends Link, Part, Shown extends ShownLink> {
  /** What is shown before there is a watch, and on a server. */
  readonly beginning: ShownLink;
  link: ShownLink;
  private readonly nothing: Shown;
  private readonly wanted = new Map<string, Wanted<Part, Shown>>();
  private watch: ReturnType<SharedWatch<Snapshot, Part, Shown>["open"]> | undefined;
  /** The keys that the watch covers. */
  private keys = new Set<string>();
  private settling: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly held: SharedWatch<Snapshot, Part, Shown>,
    reconnect: () => void,
    /** Called when the link or `isOpen` changes. */
    private readonly onLink: () => void,
    /** Called when nothing is wanted any more. */
    private readonly onIdle: () => void = () => {},
  ) {
    this.link = this.beginning = Object.freeze({ status: "connecting", error: null, lastEventAt: null, reconnect });
    this.nothing = Object.freeze(held.show(held.part(undefined, ""), this.beginning));
  }

  get isOpen(): boolean {
    return this.watch !== undefined;
  }

  /** The same object until it changes. Without a key, what is shown before there is a watch. */
  shown(key?: string): Shown {
    return (key !== undefined && this.wanted.get(key)?.shown) || this.nothing;
  }

  /** Calls `listener` after each change to the part under a key. Returns a function that ends this. */
  want(key: string, listener: () => void): () => void {
    const wanted = this.wanted.get(key) ?? this.begin(key);
    // A new function, so that the same listener can be added twice.
    const own = () => listener();
    wanted.listeners.add(own);
    return () => {
      wanted.listeners.delete(own);
      if (wanted.listeners.size > 0) return;
      clearTimeout(this.settling);
      this.settling = setTimeout(() => this.settle(), LINGER_DELAY);
    };
  }

  reconnect(): void {
    this.watch?.reconnect();
  }

  private begin(key: string): Wanted<Part, Shown> {
    const wanted = { listeners: new Set<() => void>(), part: this.held.part(undefined, key), shown: this.nothing };
    this.wanted.set(key, wanted);
    // A microtask, because each change of the rooms opens another stream: components that mount together cause only one.
    queueMicrotask(() => this.settle());
    return wanted;
  }

  /** Opens, changes or closes the watch to match what is wanted. */
  private settle(): void {
    clearTimeout(this.settling);
    for (const [key, { listeners }] of this.wanted) if (listeners.size === 0) this.wanted.delete(key);
    const keys = new Set(this.wanted.keys());
    if (keys.size === 0) this.onIdle();
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
    // The time of this part. The link has the time of all parts.
    const lastEventAt = isPartSame ? shown.lastEventAt : this.link.lastEventAt;
    wanted.shown = Object.freeze(this.held.show(wanted.part, { ...this.link, lastEventAt }));
    for (const listener of [...wanted.listeners]) listener();
  }
}
