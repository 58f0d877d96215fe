// The ways from a tab to the hub: through a shared worker, through the tab that leads, or to a hub of its own.

import { socketOf } from "../watch.js";
import { Hub } from "./hub.js";
import { NAME, type Letter, type ToHub, type ToTab } from "./messages.js";

/** A worker that is not ready after this time, in milliseconds, does not work here. */
const READY_TIMEOUT = 3_000;

/** A way to the hub. */
export interface Route {
  post(content: ToHub): void;
}

export interface Ends {
  readonly tab: string;
  readonly key: string;
  readonly receive: (content: ToTab) => void;
  /** Ends the route when it is aborted. */
  readonly signal: AbortSignal;
}

/** Through a shared worker. Calls `onLost` with `true` if workers do not work here, and with `false` when the worker has died. */
export function toWorker({ tab, key, receive, signal }: Ends, onLost: (isHopeless: boolean) => void): Route | null {
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: NAME });
  } catch {
    // For example, the package comes from another origin, or a policy of the page forbids workers.
    return null;
  }
  const { port } = worker;
  const giveUp = () => !signal.aborted && onLost(true);
  const timer = setTimeout(giveUp, READY_TIMEOUT);
  worker.onerror = giveUp;
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    port.close();
  });
  port.onmessage = ({ data: { content } }: MessageEvent<Letter<ToTab>>) => {
    if (signal.aborted) return;
    if (content.type === "ready" && content.life) {
      clearTimeout(timer);
      // Granted when the worker is gone.
      navigator.locks.request(content.life, { signal }, () => signal.aborted || onLost(false)).catch(() => {});
    }
    receive(content);
  };
  return { post: (content) => port.postMessage({ tab, key, content } satisfies Letter<ToHub>) };
}

/** Through the tab that leads: it holds a lock and the hub. When it closes, the next tab gets the lock. */
export function toLeader({ tab, key, receive, signal }: Ends): Route {
  const channel = openChannel(key, signal);
  channel.onmessage = ({ data }: MessageEvent<Letter<ToTab>>) => {
    if ((data.tab === tab || data.tab === "") && isToTab(data.content)) receive(data.content);
  };
  navigator.locks.request(`${NAME} leads ${key}`, { signal }, () => lead(key, signal)).catch(() => {});
  return { post: (content) => channel.postMessage({ tab, key, content } satisfies Letter<ToHub>) };
}

/** To a hub in this tab, for this tab only. */
export function toOwn({ tab, receive, signal }: Ends): Route {
  const hub = new Hub(() => {}, socketOf);
  signal.addEventListener("abort", () => hub.close());
  // This closes the hub, but not the watch, which may begin again.
  return { post: (content) => hub.receive(tab, content, (answer) => void (signal.aborted || receive(answer))) };
}

/** Runs the hub until the signal aborts. */
function lead(key: string, signal: AbortSignal): Promise<void> {
  const channel = openChannel(key, signal);
  const tell = (tab: string) => (content: ToTab) =>
    void (signal.aborted || channel.postMessage({ tab, key, content } satisfies Letter<ToTab>));
  const hub = new Hub(() => {}, socketOf);
  channel.onmessage = ({ data: { tab, content } }: MessageEvent<Letter<ToHub | ToTab>>) => {
    if (!isToTab(content)) hub.receive(tab, content, tell(tab));
  };
  tell("")({ type: "ready" });
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      hub.close();
      resolve();
    });
  });
}

function openChannel(key: string, signal: AbortSignal): BroadcastChannel {
  const channel = new BroadcastChannel(`${NAME} ${key}`);
  signal.addEventListener("abort", () => channel.close());
  return channel;
}

/** Every tab receives every message of a channel, also those for the hub. */
function isToTab(content: ToHub | ToTab): content is ToTab {
  return ["ready", "link", "message", "full", "ask token"].includes(content.type);
}
