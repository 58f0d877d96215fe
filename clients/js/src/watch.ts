// A watch: what the package returns for a feed, with the listeners of the page.

import type { Feed, Listener } from "./connection.js";
import type { LoadSocket } from "./connection/topic.js";
import { credentialsFrom, type Credentials } from "./service.js";
import { followPage } from "./page.js";
import type { ServiceOptions, Watch } from "./types.js";

/** Makes a feed. The URL has no slash at its end. */
export type Make<From> = (url: string, credentials: Credentials, listener: Listener) => From;

/** How to load what `transport` needs. A module of its own, so that only pages that use it load it. */
export const socketOf = ({ transport }: Pick<ServiceOptions, "transport">): LoadSocket | undefined =>
  transport === "websocket" ? () => import("./connection/websocket.js") : undefined;

/** Opens a feed, and returns a watch that shows what `view` makes of it. */
export function watch<From extends Feed, Snapshot extends object>(
  options: ServiceOptions,
  make: Make<From>,
  view: (feed: From) => Snapshot,
): Watch<Snapshot> {
  const listeners = new Set<() => void>();
  let snapshot: Readonly<Snapshot> | undefined;
  const feed = make((options.url ?? "").replace(/\/+$/, ""), credentialsFrom(options.token, options.withCredentials), {
    onChange() {
      snapshot = undefined;
      for (const listener of [...listeners]) {
        try {
          listener();
        } catch (error) {
          // A listener belongs to the page. Its error must not keep the other listeners from being called.
          console.error(error);
        }
      }
    },
  });
  const leavePage = followPage(feed, options);
  feed.resume();
  return {
    snapshot: () => (snapshot ??= Object.freeze(view(feed))),
    subscribe(listener) {
      // A new function, so that the same listener can subscribe twice.
      const own = () => listener();
      listeners.add(own);
      return () => listeners.delete(own);
    },
    reconnect: () => feed.reconnect(),
    close() {
      leavePage();
      feed.close();
    },
  };
}
