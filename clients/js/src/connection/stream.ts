// A stream of server-sent events.

import type { OpenStream } from "./topic.js";

/** An enum of constants costs nothing in what browsers load. */
export const enum Heartbeat {
  /** In milliseconds, until the service has told its own. */
  USUAL_INTERVAL = 15_000,
  /** A stream is dead when this many in a row are missing. */
  MAX_MISSED = 3,
}

export const openEventSource: OpenStream = (address, _token, credentials, names, onEvent, onReopening, onLost) => {
  const stream = new EventSource(address, credentials as EventSourceInit);
  let isOpen = false;
  for (const name of names) {
    stream.addEventListener(name, ({ data, lastEventId }: MessageEvent<string>) => {
      // The service sends something as soon as a stream is open. A proxy alone would not.
      isOpen = true;
      onEvent(name, JSON.parse(data), lastEventId);
    });
  }
  stream.onerror = () => {
    if (!isOpen || stream.readyState === 2 /* CLOSED */) return onLost();
    isOpen = false;
    onReopening();
  };
  return stream;
};
