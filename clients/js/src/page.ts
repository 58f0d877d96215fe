// Tells a feed when its page is hidden or shown, goes online or offline, and enters or leaves the back-forward cache.

import type { Feed } from "./connection.js";
import type { ServiceOptions } from "./types.js";

/** Starts telling the feed, and returns a function that stops it. Does nothing where there is no page. */
export function followPage(feed: Feed, options: ServiceOptions): () => void {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- React Native and servers have none.
  if (!globalThis.document) return () => {};
  const see = () => {
    // Read each time, because the option may change.
    const { whenHidden } = options;
    feed.setVisible(!document.hidden, whenHidden === "keep" ? Infinity : whenHidden === "close" ? 0 : whenHidden);
  };
  const reactions: Record<string, () => void> = {
    online: () => feed.setOnline(true),
    offline: () => feed.setOnline(false),
    // Only a page without open connections can enter the back-forward cache.
    pagehide: () => feed.suspend(),
    pageshow: () => feed.resume(),
  };
  // Not with the option `signal`: older browsers ignore it, and would keep the listeners.
  const listen = (verb: "addEventListener" | "removeEventListener") => {
    document[verb]("visibilitychange", see);
    for (const event in reactions) window[verb](event, reactions[event]!);
  };
  listen("addEventListener");
  see();
  return () => listen("removeEventListener");
}
