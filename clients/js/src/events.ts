// `watchEvents`.

import { connect, type Feed } from "./connection.js";
import { Effect, type Topic } from "./connection/topic.js";
import { get } from "./service.js";
import type { EventFilter, Link, PresenceEvent, ServiceOptions, Watch } from "./types.js";
import { watch, type Make } from "./watch.js";

/** How to watch what happens. Tabs do not share it, and it comes by server-sent events. */
export interface EventsOptions extends Omit<ServiceOptions, "share" | "transport"> {
  readonly filter?: EventFilter | undefined;
  /** Called for each event, in order. */
  readonly onEvent: (event: PresenceEvent) => void;
  /** Called when events may be missing: what was derived from them must be read again. */
  readonly onGap?: (() => void) | undefined;
}

const enum Millis {
  QUIET_TIMEOUT = 60_000,
}

interface SystemMessage {
  readonly type: "system";
  readonly event: "connected" | "gap";
}

/** Calls `onEvent` for each event of the service. Nothing is missed while it reconnects, or `onGap` is called. */
export function watchEvents(options: EventsOptions): Watch<Link> {
  const { filter, onEvent, onGap } = options;
  /** The position of the last event, or of the beginning of the stream. */
  let position = "";
  /**
   * Silence may be a stream that died unnoticed, and only another one shows. But a page sees no heartbeat, and so no position that
   * the filter leaves out: if the service has logged too much meanwhile to go on from the last one that the page has seen, it tells
   * a gap where there was none. So a gap after silence is the last: from then on a silent stream stays while it is open.
   */
  let quietTimeout: number = Millis.QUIET_TIMEOUT;
  /** The stream was opened in place of one that nobody knew to be lost. */
  let isInPlace = false;

  const make: Make<Feed> = (url, credentials, listener) => {
    const addressOf = (query: URLSearchParams) => {
      for (const event of filter?.events ?? []) query.append("event", event);
      for (const room of filter?.rooms ?? []) query.append("room", room);
      if (filter?.prefix) query.append("prefix", filter.prefix);
      if (position) query.append("last_event_id", position);
      return "events";
    };
    const topic: Topic = {
      path(query) {
        isInPlace = feed.link().status === "live";
        return addressOf(query);
      },
      on: {
        message(message: PresenceEvent | SystemMessage, id) {
          if (id) position = id;
          if (message.type === "system") {
            if (message.event === "gap") {
              if (isInPlace) quietTimeout = Infinity;
              tell(onGap);
            }
            isInPlace &&= message.event === "connected";
            return Effect.SAME;
          }
          isInPlace = false;
          tell(onEvent, message);
          return Effect.CHANGED;
        },
      },
      get quietTimeout() {
        return quietTimeout;
      },
      hasSome: () => position !== "",
      hasAll: () => true,
      async ask(token, hasFailed) {
        const query = new URLSearchParams();
        const path = addressOf(query);
        await get(`${url}/api/${path}?${query}`, token, credentials, null, true);
        if (hasFailed) throw HELD_BACK;
        return false;
      },
    };
    const feed = connect(url, credentials, listener, topic);
    return feed;
  };
  return watch(options, make, (feed) => feed.link());
}

const HELD_BACK = {
  status: 0,
  message: "the service answers, but its stream does not get through: a proxy may hold it back",
};

/** Calls a function of the page. Its error must not end the stream, nor keep others from being told. */
export function tell<Args extends unknown[]>(act: ((...args: Args) => void) | undefined, ...args: Args): void {
  try {
    act?.(...args);
  } catch (error) {
    console.error(error);
  }
}
