import type { Feed } from "./connection.js";
import type { ServiceOptions } from "./types.js";

/** Tells a feed what becomes of the page, until the returned function is called. Does nothing where there is no page. */
export function followPage(feed: Feed, options: ServiceOptions): () => void {
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- React Native has none, nor has a server.
  if (!globalThis.document) return () => {};
  const see = () => {
    // Asked for each time: it may be another since.
    const { whenHidden } = options;
    feed.setVisible(!document.hidden, whenHidden === "keep" ? Infinity : whenHidden === "close" ? 0 : whenHidden);
  };
  const reactions: Record<string, () => void> = {
    online: () => feed.setOnline(true),
    offline: () => feed.setOnline(false),
    // Whoever holds nothing open can be shown again from the back-forward cache.
    pagehide: () => feed.suspend(),
    pageshow: () => feed.resume(),
  };
  // Not by a `signal`, which older browsers pass over: they would listen for ever.
  const listen = (verb: "addEventListener" | "removeEventListener") => {
    document[verb]("visibilitychange", see);
    for (const event in reactions) window[verb](event, reactions[event]!);
  };
  listen("addEventListener");
  see();
  return () => listen("removeEventListener");
}
