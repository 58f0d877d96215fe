// A stream by WebSocket: the same events, as JSON. Rooms change and tokens are renewed on the open connection.

import { REPLACED, type Refusal } from "../service.js";
import { Timer, newTimers } from "./timers.js";
import type { OpenStream } from "./topic.js";

const enum Millis {
  /** The most that a lost connection waits before it is tried again: not all clients of an instance that ends come back at once. */
  MAX_RETURN = 3_000,
}
/** In characters of JSON. The service takes 16 KiB a message. */
const MAX_MESSAGE = 5_000;
/** The service closes with 4000 and the HTTP status with which it would have refused a request. */
const REFUSED = 4_000;

/** The address is that of the stream of server-sent events. */
export const openSocket: OpenStream = (address, token, credentials, names, onEvent, onReopening, onLost) => {
  // Rooms that may change are on the WebSocket of many rooms, even if there is only one at first.
  const isOfMany = names.includes("room:delta");
  const path = isOfMany
    ? address.replace(/participants\/stream(?=\?)/, "rooms/ws").replace(/&last_event_id=\d+$/, "")
    : address;
  // Older browsers take no relative address, and React Native, where none is relative, has no `location`.
  const absolute = /^http/.test(path) ? path : new URL(path, location.href).href;
  const socket = new WebSocket(absolute.replace(/^http/, "ws").replace("/stream?", "/ws?"));
  const schedule = newTimers();
  let hasSpoken = false;
  let isClosed = false;
  /** What was sent and is not answered: whether each is a token that renews another. The service answers one after the other. */
  const unanswered: boolean[] = [];
  /** A token was sent, and not yet accepted. */
  let isShowing = false;
  /** The last heartbeat. */
  let heartbeat: unknown = {};

  function send(message: object, isRenewal = false): void {
    unanswered.push(isRenewal);
    socket.send(JSON.stringify(message));
  }

  /** Shows the token, and the next one before this one expires. Not in the address: that is written to logs. */
  function show(shown: string | undefined, isRenewal = false): void {
    if (shown) send({ token: shown.trim() }, isRenewal);
    schedule(Timer.RENEWAL, credentials.freshFor(), () => void renew());
  }

  async function renew(): Promise<void> {
    try {
      const next = await credentials.get();
      if (!isClosed) show(next, true);
    } catch (refusal) {
      if (!isClosed) onLost(refusal as Refusal);
    }
  }

  /** The service takes a message or refuses it. */
  function onAnswer(event: string, content: unknown): void {
    const isRenewal = unanswered.shift();
    if (event === "error") {
      const refusal = refusalFrom(content as Problem);
      // Tabs that share a connection may have tokens of several identities, and one connection takes only one. Another connection,
      // with another token, shows whether this is a refusal: 401 has it opened at once.
      return onLost(isRenewal && refusal.status === 403 ? { ...refusal, status: 401 } : refusal);
    }
    if (isShowing) {
      isShowing = false;
      onEvent("heartbeat", heartbeat, "");
    }
  }

  socket.onopen = () => {
    isShowing = !!token;
    show(token);
  };
  socket.onmessage = ({ data }: MessageEvent<string>) => {
    const { event = "message", id = "", data: content } = JSON.parse(data) as Message;
    hasSpoken = true;
    if (event === "error" || event === "watching") return onAnswer(event, content);
    if (event === "heartbeat") heartbeat = content;
    // Those of before the token is accepted are no success: it may be refused.
    if (isShowing && event === "heartbeat") return;
    if (names.includes(event)) onEvent(event, content, id);
  };
  socket.onclose = ({ code, reason }) => {
    schedule(Timer.RENEWAL);
    const refusal: Refusal = { status: code - REFUSED, message: reason || `the service closed with ${code}` };
    if (code > REFUSED) return onLost(reason === "replaced" ? REPLACED : refusal);
    if (!hasSpoken) return onLost();
    onReopening();
    schedule(Timer.RETRY, Math.random() * Millis.MAX_RETURN, onLost);
  };
  return {
    close() {
      isClosed = true;
      schedule(Timer.RENEWAL);
      schedule(Timer.RETRY);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
    setRooms(before, now) {
      const unwatch = [...before].filter((room) => !now.has(room));
      const watch = [...now].filter((room) => !before.has(room));
      const messages: object[] = [];
      if (unwatch.length > 0) messages.push({ unwatch });
      if (watch.length > 0) messages.push({ watch });
      const isTooLong = messages.some((message) => JSON.stringify(message).length > MAX_MESSAGE);
      if (socket.readyState !== 1 /* OPEN */ || isTooLong) return false;
      for (const message of messages) send(message);
      return true;
    },
  };
};

/** The service refuses a message (RFC 9457). */
interface Problem {
  readonly status: number;
  readonly detail?: string;
}

const refusalFrom = ({ status, detail }: Problem): Refusal => ({
  status,
  message: detail ?? `the service answered ${status}`,
});

/** An event, with the fields of server-sent events. */
interface Message {
  readonly event?: string;
  readonly id?: string;
  readonly data: unknown;
}
