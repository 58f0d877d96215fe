// A tab's side of a connection that tabs share: what a watch sees of it.

import type { Listener } from "../connection.js";
import type { RoomsFeed } from "../connection/rooms.js";
import { Effect } from "../connection/topic.js";
import { emptyLists } from "../lists.js";
import { REPLACED, claimsOf, queryOf, type Credentials } from "../service.js";
import type { Shown } from "../shown.js";
import type { Link, ServiceOptions, View } from "../types.js";
import { lifeOf, newId, type ToTab } from "./messages.js";
import { toLeader, toOwn, toWorker, type Route } from "./routes.js";

const INITIAL: Link = { status: "connecting", error: null, lastEventAt: null };

/** A feed of a connection that the tabs of this origin share. Null if they cannot or shall not share one. */
export function shared(
  options: ServiceOptions,
  url: string,
  credentials: Credentials,
  listener: Listener,
  view: View | undefined,
  room?: string,
): RoomsFeed | null {
  const canShare =
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- Some engines lack `navigator` or its locks.
    typeof document !== "undefined" && typeof BroadcastChannel !== "undefined" && !!globalThis.navigator?.locks;
  // The worker may resolve a relative address differently from the page.
  const absolute = () => new URL(`${url}/`, location.href).href.replace(/\/$/, "");
  if (options.share === false || !canShare) return null;
  const feed = new SharedFeed(options, absolute(), credentials, listener, view);
  if (room !== undefined) feed.setRooms(new Set([room]));
  return feed;
}

/** What one tab sees of the connection. */
class SharedFeed implements RoomsFeed {
  readonly lists = emptyLists();
  private latest = INITIAL;
  private rooms: ReadonlySet<string> = new Set();
  private isVisible = true;
  private stays: number | undefined;
  private hasWorkers = typeof SharedWorker !== "undefined";
  private route: Route | null = null;
  /** Aborted when the feed is suspended. Undefined while the feed is suspended. */
  private life: AbortController | undefined;
  /** Whether its connection is shared by all tabs that may read every room. */
  private isOfAll = false;
  /** Whether the connection of all tabs had no place for this tab's rooms. */
  private isLeftOut = false;
  /** It was opened or told to reconnect, and has not learned the result. */
  private isAsked = true;
  private readonly onFreeze = () => this.suspend();
  private readonly onResume = () => this.resume();

  constructor(
    private readonly options: ServiceOptions,
    private readonly url: string,
    private readonly credentials: Credentials,
    private readonly listener: Listener,
    private readonly view: View | undefined,
  ) {
    // A frozen page must not hold locks that other tabs wait for.
    document.addEventListener("freeze", this.onFreeze);
    document.addEventListener("resume", this.onResume);
  }

  /** The connection may be live before it has the rooms that only this tab watches. */
  link(): Link {
    const isWaiting = this.rooms.size > 0 && this.lists.shown.size === 0;
    const { status } = this.latest;
    return isWaiting && (status === "live" || status === "polling")
      ? { ...this.latest, status: "connecting" }
      : this.latest;
  }

  shown(room: string): Shown | undefined {
    return this.lists.shown.get(room);
  }

  setRooms(rooms: ReadonlySet<string>): void {
    if (`${queryOf(rooms)}` === `${queryOf(this.rooms)}`) return;
    this.rooms = rooms;
    this.lists.keep(rooms);
    if (this.isOfAll) this.route?.post({ type: "rooms", rooms });
    else if (this.life) this.restart();
    this.listener.onChange();
  }

  setVisible(isVisible: boolean, stays: number | undefined): void {
    this.isVisible = isVisible;
    this.stays = stays;
    this.route?.post({ type: "visible", isVisible, stays });
  }

  setOnline(isOnline: boolean): void {
    this.route?.post({ type: "online", isOnline });
  }

  reconnect(): void {
    if (this.latest.status === "closed") return;
    this.isAsked = true;
    if (this.route) this.route.post({ type: "reconnect" });
    else this.resume();
  }

  resume(): void {
    if (this.life || this.latest.status === "closed" || this.isReplaced) return;
    const life = (this.life = new AbortController());
    void this.begin(life);
  }

  suspend(): void {
    this.life?.abort();
    this.life = undefined;
    this.route = null;
    if (this.latest.status !== "error") this.setLink({ ...this.latest, status: "disconnected" });
  }

  close(): void {
    document.removeEventListener("freeze", this.onFreeze);
    document.removeEventListener("resume", this.onResume);
    this.setLink({ ...this.latest, status: "closed", error: null });
    this.suspend();
  }

  /** Its stream was ended for a newer one, and nobody has called `reconnect` since. */
  private get isReplaced(): boolean {
    return !this.isAsked && this.latest.error?.message === REPLACED.message;
  }

  private async begin(life: AbortController): Promise<void> {
    const token = await this.credentials.get().catch(() => null);
    // Tabs that may read every room share one connection. Other tabs share one if they watch the same rooms.
    const { video } = claimsOf(token);
    const mayReadAll = token === undefined || video?.roomList || (video?.roomAdmin && !video.room);
    this.isOfAll = !!mayReadAll && !this.isLeftOut;
    const scope = this.isOfAll ? "*" : JSON.stringify([...this.rooms].sort());
    const tab = newId();
    const isHeld = await new Promise<boolean>((resolve) => {
      const hold = () => {
        resolve(true);
        return new Promise<void>((release) => life.signal.addEventListener("abort", () => release()));
      };
      navigator.locks.request(lifeOf(tab), { signal: life.signal }, hold).catch(() => resolve(false));
    });
    if (life.signal.aborted) return;
    const { view } = this;
    const { withCredentials } = this.credentials;
    const { transport } = this.options;
    const ends = {
      tab,
      key: [this.url, withCredentials && "with cookies", view, transport, scope].filter(Boolean).join(" "),
      signal: life.signal,
      receive: (content: ToTab) => this.receive(content),
    };
    const onLost = (isHopeless: boolean) => {
      if (isHopeless) this.hasWorkers = false;
      this.restart();
    };
    // A frame without an origin of its own has locks, but may not use them.
    if (!isHeld) this.route = toOwn(ends);
    else this.route = (this.hasWorkers ? toWorker(ends, onLost) : null) ?? toLeader(ends);
    this.sayHello();
  }

  private restart(): void {
    this.life?.abort();
    this.life = undefined;
    this.route = null;
    this.resume();
  }

  private sayHello(): void {
    const hasToken = this.options.token !== undefined;
    const { url, view, rooms, isVisible, stays } = this;
    const { withCredentials } = this.credentials;
    const { transport } = this.options;
    this.route?.post({ type: "hello", url, withCredentials, view, transport, rooms, isVisible, stays, hasToken });
  }

  private receive(content: ToTab): void {
    switch (content.type) {
      case "ready":
        return this.isReplaced ? undefined : this.sayHello();
      case "link": {
        this.isAsked = false;
        const { status, error, lastEventAt } = content.link;
        return this.setLink({ status, error, lastEventAt: this.latest.lastEventAt ?? lastEventAt });
      }
      case "message": {
        const { message } = content;
        if (!this.rooms.has(message.room)) return;
        const effect = this.lists.apply(message);
        if (effect === Effect.GAP) return this.sayHello();
        if (effect === Effect.CHANGED) this.setLink({ ...this.latest, lastEventAt: Date.now() });
        return;
      }
      case "full":
        this.isLeftOut = true;
        return this.restart();
      case "ask token":
        return void this.answerWithToken(content.isAnew);
    }
  }

  private async answerWithToken(isAnew: boolean): Promise<void> {
    if (isAnew) this.credentials.forget(0);
    const token = await this.credentials.get().catch(() => null);
    this.route?.post({ type: "token", token: token ?? null });
  }

  private setLink(link: Link): void {
    if (this.latest.status === "closed") return;
    this.latest = link;
    this.listener.onChange();
  }
}
