import type { Feed } from "./connection.js";

/** Tells a feed what becomes of the page, until the returned function is called. Does nothing where there is no page. */
export function followPage(feed: Feed): () => void {
  if (!globalThis.document) return () => {};
  const page = new AbortController();
  const on = (target: EventTarget, event: string, act: () => void) =>
    target.addEventListener(event, act, { signal: page.signal });
  const see = () => feed.setVisible(!document.hidden);
  on(document, "visibilitychange", see);
  on(window, "online", () => feed.setOnline(true));
  on(window, "offline", () => feed.setOnline(false));
  // Whoever holds nothing open can be shown again from the back-forward cache.
  on(window, "pagehide", () => feed.suspend());
  on(window, "pageshow", () => feed.resume());
  see();
  return () => page.abort();
}
