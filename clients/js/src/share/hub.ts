// The owner of the connection that tabs share. It runs in a shared worker, or in one of the tabs.

import { connectRooms, type RoomsFeed } from "../connection/rooms.js";
import type { LoadSocket } from "../connection/topic.js";
import { credentialsFrom, queryOf, type Credentials } from "../service.js";
import type { Link } from "../types.js";
import { lifeOf, type Hello, type ToHub, type ToTab } from "./messages.js";

/** The service takes at most this many rooms on one stream. */
const MAX_ROOMS = 100;
/** In bytes. Many proxies refuse a request line above 8 KB, which must have room for a token too. */
const MAX_QUERY = 6_000;
/** How long to wait for a tab's token, in milliseconds. */
const TOKEN_TIMEOUT = 4_000;
/** How long a hidden tab stays connected by default, in milliseconds. */
const DEFAULT_STAY = 60_000;

interface Tab {
  rooms: ReadonlySet<string>;
  isVisible: boolean;
  stays: number | undefined;
  hasToken: boolean;
  readonly post: (content: ToTab) => void;
  /** The number of the last request for its token. 0 if there was none. */
  askedAt: number;
  /** Takes the answer, while a request waits for it. */
  onToken: ((token: string | null) => void) | undefined;
}

/** Watches the rooms of all its tabs on one connection, and tells each tab about its own rooms. */
export class Hub {
  private readonly tabs = new Map<string, Tab>();
  private connection: RoomsFeed | undefined;
  private link: Link | undefined;
  private asked = 0;
  private readonly life = new AbortController();

  /** Calls `onEmpty` when the last tab is gone. */
  constructor(
    private readonly onEmpty: () => void,
    /** How to connect as a tab asks for it. A page loads what a worker has from the beginning. */
    private readonly socketOf: (options: Pick<Hello, "transport">) => LoadSocket | undefined,
  ) {}

  receive(id: string, content: ToHub, post: Tab["post"]): void {
    if (content.type === "hello") return this.welcome(id, content, post);
    const tab = this.tabs.get(id);
    if (!tab) return post({ type: "ready" });
    switch (content.type) {
      case "rooms":
        if (!this.hasPlace(id, content.rooms)) return post({ type: "full" });
        tab.rooms = content.rooms;
        this.tellLists(tab);
        return this.updateConnection();
      case "visible":
        tab.isVisible = content.isVisible;
        tab.stays = content.stays;
        return this.updateConnection();
      case "online":
        return this.connection?.setOnline(content.isOnline);
      case "reconnect":
        return this.connection?.reconnect();
      case "token":
        return tab.onToken?.(content.token);
    }
  }

  close(): void {
    this.life.abort();
    this.connection?.close();
  }

  private welcome(id: string, hello: Hello, post: Tab["post"]): void {
    const { rooms, isVisible, stays, hasToken } = hello;
    if (!this.hasPlace(id, rooms)) return post({ type: "full" });
    const known = this.tabs.get(id);
    const tab: Tab = known ?? { rooms, isVisible, stays, hasToken, post, askedAt: 0, onToken: undefined };
    // A tab may say hello again while a request for its token is open.
    Object.assign(tab, { rooms, isVisible, stays, hasToken });
    this.tabs.set(id, tab);
    // Granted when the tab is gone, even if it crashed.
    if (!known) navigator.locks.request(lifeOf(id), { signal: this.life.signal }, () => this.leave(id)).catch(() => {});
    this.connection ??= this.connect(hello);
    // The new tab's token may be accepted.
    if (!known && this.connection.link().status === "error") this.connection.reconnect();
    this.tellLists(tab);
    post({ type: "link", link: this.connection.link() });
    this.updateConnection();
    if (isVisible || (!known && stays) || this.tabs.size === 1) this.connection.resume();
  }

  private leave(id: string): void {
    const tab = this.tabs.get(id);
    this.tabs.delete(id);
    tab?.onToken?.(null);
    if (this.tabs.size > 0) return this.updateConnection();
    this.close();
    this.onEmpty();
  }

  private connect(hello: Hello): RoomsFeed {
    const { url, withCredentials, view } = hello;
    const ofTabs = credentialsFrom(() => this.askForToken(), withCredentials);
    const credentials: Credentials = {
      ...ofTabs,
      // The token of any tab may be accepted.
      forget: (before) => ofTabs.forget(0) && before <= this.withToken().length,
    };
    return connectRooms(
      url,
      credentials,
      {
        onChange: () => this.tellLink(),
        onMessage: (message, before) => {
          const told = message.version < before! ? { ...message, replaces: true } : message;
          for (const tab of this.tabs.values())
            if (tab.rooms.has(message.room)) tab.post({ type: "message", message: told });
        },
      },
      view,
      this.socketOf(hello),
    );
  }

  /** Whether one stream can take these rooms besides those of the other tabs. For a single tab, the service decides. */
  private hasPlace(id: string, rooms: ReadonlySet<string>): boolean {
    const others = [...this.tabs].filter(([other]) => other !== id).flatMap(([, tab]) => [...tab.rooms]);
    const all = new Set([...others, ...rooms]);
    return others.length === 0 || (all.size <= MAX_ROOMS && `${queryOf(all)}`.length <= MAX_QUERY);
  }

  /** Has the connection watch the rooms of all tabs, and stay for the longest time that any tab asks for. */
  private updateConnection(): void {
    const tabs = [...this.tabs.values()];
    // Sorted, so that a tab that closes does not change their order.
    this.connection?.setRooms(new Set(tabs.flatMap(({ rooms }) => [...rooms]).sort()));
    const longest = tabs
      .map(({ stays }) => stays)
      .reduce((a, b) => ((b ?? DEFAULT_STAY) > (a ?? DEFAULT_STAY) ? b : a), 0);
    this.connection?.setVisible(
      tabs.some(({ isVisible }) => isVisible),
      longest,
    );
  }

  private tellLists({ rooms, post }: Tab): void {
    for (const [room, state] of this.connection!.lists.shown) {
      if (rooms.has(room)) post({ type: "message", message: { room, ...state } });
    }
  }

  private tellLink(): void {
    const link = this.connection?.link();
    if (!link || (link.status === this.link?.status && link.error === this.link.error)) return;
    this.link = link;
    for (const tab of this.tabs.values()) tab.post({ type: "link", link });
  }

  private withToken(): Tab[] {
    return [...this.tabs.values()].filter(({ hasToken }) => hasToken);
  }

  /** The token of any tab will do. The tab that was asked last comes last: its token may just have been refused. */
  private async askForToken(): Promise<string> {
    const tabs = this.withToken();
    if (tabs.length === 0) return "";
    tabs.sort((a, b) => Number(b.isVisible) - Number(a.isVisible) || a.askedAt - b.askedAt);
    for (const tab of tabs) {
      const isAnew = tab.askedAt > 0;
      tab.askedAt = this.asked += 1;
      const token = await new Promise<string | null>((resolve) => {
        const timer = setTimeout(resolve, TOKEN_TIMEOUT, null);
        tab.onToken = (answer) => {
          clearTimeout(timer);
          resolve(answer);
        };
        tab.post({ type: "ask token", isAnew });
      });
      if (token !== null) return token;
    }
    throw new Error("no tab has a token");
  }
}
