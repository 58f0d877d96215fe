// The stream of a connection: where it is, and what its events mean.

import type { Message, Snapshot } from "../lists.js";
import { queryOf, type Credentials } from "../service.js";
import type { RoomState } from "../types.js";

/** An enum of constants costs nothing in what browsers load. */
export const enum Heartbeat {
  /** In milliseconds, until the service has told its own. */
  USUAL_INTERVAL = 15_000,
  /** A stream is dead when this many in a row are missing. */
  MAX_MISSED = 3,
}

/** The address of a stream. `shown` is the list that is shown now, if there is only one room. */
export function streamAddress(
  url: string,
  rooms: ReadonlySet<string>,
  shown: RoomState | undefined,
  token: string | undefined,
): string {
  const query = queryOf(rooms);
  // An EventSource sends no headers, so the token goes into the address. In a header, `fetch` trims it.
  if (token) query.append("access_token", token.trim());
  if (rooms.size > 1) return `${url}/api/livekit/rooms/stream?${query}`;
  if (shown) query.append("last_event_id", `${shown.version}`);
  return `${url}/api/livekit/participants/stream?${query}`;
}

/**
 * Opens a stream, and returns a function that closes it. `room` is its room, if it has only one. Calls
 * - `onSign` after every event, with the interval of heartbeats if the event tells it;
 * - `onReopening` when the browser has lost the stream and opens it again by itself;
 * - `onLost` when it will not do so;
 * - `onReplaced` when the service ends the stream for a newer one of the same identity.
 */
export function openStream(
  address: string,
  credentials: Credentials,
  room: string,
  onMessage: (message: Message) => void,
  onSign: (heartbeatInterval?: number) => void,
  onReopening: () => void,
  onLost: () => void,
  onReplaced: () => void,
): () => void {
  const stream = new EventSource(address, credentials as EventSourceInit);
  let isOpen = false;
  /** The stream of one room has sent its list. */
  let hasList = false;
  let isClosed = false;
  /** `act` may return the interval of heartbeats. Each event has data of its own type. */
  const on = (event: string, act: (data: never, id: string) => unknown) =>
    stream.addEventListener(event, ({ data, lastEventId }: MessageEvent<string>) => {
      const heartbeatInterval = act(JSON.parse(data) as never, lastEventId) as number | undefined;
      if (isClosed) return;
      // The service sends something as soon as a stream is open. A proxy alone would not.
      isOpen = true;
      onSign(heartbeatInterval);
    });
  stream.onerror = () => {
    if (!isOpen || stream.readyState === 2 /* CLOSED */) return onLost();
    isOpen = hasList = false;
    onReopening();
  };
  on("participants:update", (participants: Snapshot["participants"], id) => {
    // The service knows which version is shown. If its first list is older, it has lost that version.
    onMessage({ room, version: Number(id), participants, replaces: !hasList });
    hasList = true;
  });
  on("room:snapshot", onMessage);
  on("room:delta", onMessage);
  on("end", ({ reason }: { reason: string }) => {
    if (reason === "replaced") onReplaced();
  });
  on("heartbeat", ({ every }: { every?: number }) => every ?? Heartbeat.USUAL_INTERVAL);
  return () => {
    isClosed = true;
    stream.close();
  };
}
