import { connect, type Connection } from "../connection.js";
import { credentialsFrom, queryOf, type Credentials } from "../service.js";
import type { Link } from "../types.js";
import { lifeOf, type Hello, type ToHub, type ToTab } from "./messages.js";

/** What one stream takes. */
const MOST_ROOMS = 100;
/** Proxies commonly refuse a request line above 8 KB, and the token needs a place in it. */
const MOST_QUERY = 6_000;
/** A tab that does not answer within this time, in milliseconds, has no token. */
const TOKEN_WITHIN = 4_000;
/** How long a hidden tab stays that does not say so, in milliseconds. */
const USUAL_STAY = 60_000;

interface Tab {
  rooms: ReadonlySet<string>;
  isVisible: boolean;
  stays: number | undefined;
  hasToken: boolean;
  readonly post: (content: ToTab) => void;
  /** When it was last asked for its token: 0 if never, and the more the later. */
  askedAt: number;
  /** Takes the answer that is waited for. */
  onToken: ((token: string | null) => void) | undefined;
}

/** Holds one connection for many tabs: watches the rooms of all of them, and tells each what it watches. */
export class Hub {
  private readonly tabs = new Map<string, Tab>();
  private connection: Connection | undefined;
  private link: Link | undefined;
  private asked = 0;
  private readonly life = new AbortController();

  /** `onEmpty` is called when the last tab is gone. */
  constructor(private readonly onEmpty: () => void) {}

  receive(id: string, content: ToHub, post: Tab["post"]): void {
    if (content.type === "hello") return this.welcome(id, content, post);
    const tab = this.tabs.get(id);
    if (!tab) return post({ type: "ready" });
    switch (content.type) {
      case "rooms":
        if (!this.hasPlace(id, content.rooms)) return post({ type: "full" });
        tab.rooms = content.rooms;
        this.tellLists(tab);
        return this.gather();
      case "visible":
        tab.isVisible = content.isVisible;
        tab.stays = content.stays;
        return this.gather();
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

  private welcome(
    id: string,
    { url, withCredentials, rooms, isVisible, stays, hasToken }: Hello,
    post: Tab["post"],
  ): void {
    if (!this.hasPlace(id, rooms)) return post({ type: "full" });
    const known = this.tabs.get(id);
    const tab: Tab = known ?? { rooms, isVisible, stays, hasToken, post, askedAt: 0, onToken: undefined };
    // It may say so twice, and still be asked for its token.
    Object.assign(tab, { rooms, isVisible, stays, hasToken });
    this.tabs.set(id, tab);
    // Got once the tab is gone, however it went.
    if (!known) navigator.locks.request(lifeOf(id), { signal: this.life.signal }, () => this.part(id)).catch(() => {});
    this.connection ??= this.connect(url, withCredentials);
    // Its token may be a better one.
    if (!known && this.connection.link.status === "error") this.connection.reconnect();
    this.tellLists(tab);
    post({ type: "link", link: this.connection.link });
    this.gather();
    if (isVisible || (!known && stays) || this.tabs.size === 1) this.connection.resume();
  }

  private part(id: string): void {
    const tab = this.tabs.get(id);
    this.tabs.delete(id);
    tab?.onToken?.(null);
    if (this.tabs.size > 0) return this.gather();
    this.close();
    this.onEmpty();
  }

  private connect(url: string, withCredentials: boolean | undefined): Connection {
    const ofTabs = credentialsFrom(() => this.askForToken(), withCredentials);
    const credentials: Credentials = {
      ...ofTabs,
      // Each tab may have a better one.
      forget: (before) => ofTabs.forget(0) && before <= this.withToken().length,
    };
    return connect(
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
      new Set(),
    );
  }

  /** Whether one stream can have these rooms besides those of the other tabs. A tab that is alone is told by the service. */
  private hasPlace(id: string, rooms: ReadonlySet<string>): boolean {
    const others = [...this.tabs].filter(([other]) => other !== id).flatMap(([, tab]) => [...tab.rooms]);
    const all = new Set([...others, ...rooms]);
    return others.length === 0 || (all.size <= MOST_ROOMS && `${queryOf(all)}`.length <= MOST_QUERY);
  }

  /** The connection watches what any tab watches, while any is visible or wants it to stay. */
  private gather(): void {
    const tabs = [...this.tabs.values()];
    // In an order of their own, lest a tab that goes changes it.
    this.connection?.setRooms(new Set(tabs.flatMap(({ rooms }) => [...rooms]).sort()));
    const longest = tabs.map(({ stays }) => stays).reduce((a, b) => ((b ?? USUAL_STAY) > (a ?? USUAL_STAY) ? b : a), 0);
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
    const link = this.connection?.link;
    if (!link || (link.status === this.link?.status && link.error === this.link.error)) return;
    this.link = link;
    for (const tab of this.tabs.values()) tab.post({ type: "link", link });
  }

  private withToken(): Tab[] {
    return [...this.tabs.values()].filter(({ hasToken }) => hasToken);
  }

  /** Any tab's token will do; whoever has just given one that was refused comes last. */
  private async askForToken(): Promise<string> {
    const tabs = this.withToken();
    if (tabs.length === 0) return "";
    tabs.sort((a, b) => Number(b.isVisible) - Number(a.isVisible) || a.askedAt - b.askedAt);
    for (const tab of tabs) {
      const isAnew = tab.askedAt > 0;
      tab.askedAt = this.asked += 1;
      const token = await new Promise<string | null>((resolve) => {
        const patience = setTimeout(resolve, TOKEN_WITHIN, null);
        tab.onToken = (answer) => {
          clearTimeout(patience);
          resolve(answer);
        };
        tab.post({ type: "ask token", isAnew });
      });
      if (token !== null) return token;
    }
    throw new Error("no tab has a token");
  }
}
