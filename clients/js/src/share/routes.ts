/** The ways from a tab to whoever holds the connection for all tabs. */
import { Hub } from "./hub.js";
import { NAME, type Letter, type ToHub, type ToTab } from "./messages.js";

/** A worker that is not ready by then cannot be had, in milliseconds. */
const READY_WITHIN = 3_000;

/** A way there. */
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

/** By a shared worker. `onLost` is called if there is none to be had (`true`), or when it has died. */
export function toWorker({ tab, key, receive, signal }: Ends, onLost: (isHopeless: boolean) => void): Route | null {
  let worker: SharedWorker;
  try {
    worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: NAME });
  } catch {
    // Such as that the package comes from another origin, or a policy of the page.
    return null;
  }
  const { port } = worker;
  const giveUp = () => !signal.aborted && onLost(true);
  const patience = setTimeout(giveUp, READY_WITHIN);
  worker.onerror = giveUp;
  signal.addEventListener("abort", () => {
    clearTimeout(patience);
    port.close();
  });
  port.onmessage = ({ data: { content } }: MessageEvent<Letter<ToTab>>) => {
    if (signal.aborted) return;
    if (content.type === "ready" && content.life) {
      clearTimeout(patience);
      // Got once the worker is gone.
      navigator.locks.request(content.life, { signal }, () => signal.aborted || onLost(false)).catch(() => {});
    }
    receive(content);
  };
  return { post: (content) => port.postMessage({ tab, key, content } satisfies Letter<ToHub>) };
}

/** By the tab that leads: whoever holds the lock holds the connection, until it goes and the next one gets it. */
export function toLeader({ tab, key, receive, signal }: Ends): Route {
  const channel = openChannel(key, signal);
  channel.onmessage = ({ data }: MessageEvent<Letter<ToTab>>) => {
    if ((data.tab === tab || data.tab === "") && isToTab(data.content)) receive(data.content);
  };
  navigator.locks.request(`${NAME} leads ${key}`, { signal }, () => lead(key, signal)).catch(() => {});
  return { post: (content) => channel.postMessage({ tab, key, content } satisfies Letter<ToHub>) };
}

/** To a connection of this tab's own. */
export function toOwn({ tab, receive, signal }: Ends): Route {
  const hub = new Hub(() => {});
  signal.addEventListener("abort", () => hub.close());
  // What is closed here is not the watch: it may begin again.
  return { post: (content) => hub.receive(tab, content, (answer) => void (signal.aborted || receive(answer))) };
}

/** Holds the connection until the signal comes. */
function lead(key: string, signal: AbortSignal): Promise<void> {
  const channel = openChannel(key, signal);
  const tell = (tab: string) => (content: ToTab) =>
    void (signal.aborted || channel.postMessage({ tab, key, content } satisfies Letter<ToTab>));
  const hub = new Hub(() => {});
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

/** All hear what is said on a channel, whoever it is meant for. */
function isToTab(content: ToHub | ToTab): content is ToTab {
  return ["ready", "link", "message", "full", "ask token"].includes(content.type);
}
