// The shared worker: runs the hubs of all tabs of an origin.

import { openSocket } from "../connection/websocket.js";
import { Hub } from "./hub.js";
import { NAME, newId, type Hello, type Letter, type ToHub, type ToTab } from "./messages.js";

/** It has the module for WebSocket already, because not every bundler splits the code of a worker. */
const socketOf = ({ transport }: Pick<Hello, "transport">) =>
  transport === "websocket" ? () => ({ openSocket }) : undefined;
const hubs = new Map<string, Hub>();
/** The lock that this worker holds until it ends. */
const life = `${NAME} worker ${newId()}`;
const alive = new Promise<void>((resolve) => {
  void navigator.locks.request(life, () => {
    resolve();
    return new Promise(() => {});
  });
});

addEventListener("connect", (event) => {
  const [port] = (event as MessageEvent).ports;
  port!.onmessage = ({ data: { tab, key, content } }: MessageEvent<Letter<ToHub>>) => {
    let hub = hubs.get(key);
    if (!hub) hubs.set(key, (hub = new Hub(() => hubs.delete(key), socketOf)));
    hub.receive(tab, content, (answer) => port!.postMessage({ tab, key, content: answer } satisfies Letter<ToTab>));
  };
  void alive.then(() =>
    port!.postMessage({ tab: "", key: "", content: { type: "ready", life } } satisfies Letter<ToTab>),
  );
});
