// One room as the topic of a connection: its list, or its counts.

import { connect, type Feed, type Listener } from "../connection.js";
import { get, type Credentials } from "../service.js";
import { shownAfter, type Sent, type Shown } from "../shown.js";
import type { Counts, Participant, View } from "../types.js";
import { Effect, type LoadSocket, type Topic } from "./topic.js";

/** A feed that shows rooms by their names. */
export interface RoomFeed extends Feed {
  shown(room: string): Shown | undefined;
}

/** Counts as the service sends them. The stream of one room does not name it. */
export type SentCounts = Counts & { readonly version: number };

/** Streams what happens in a room, and polls it while there is no stream. */
export function connectRoom(
  url: string,
  credentials: Credentials,
  listener: Listener,
  room: string,
  view: View | undefined,
  loadSocket: LoadSocket | undefined,
): RoomFeed {
  let held: Shown | undefined;
  const take = (sent: Sent): Effect => {
    const before = held;
    held = shownAfter(before, sent);
    return held === before ? Effect.SAME : Effect.CHANGED;
  };
  const shown = () => held;
  const topic: Topic = {
    path(query) {
      addRoom(query, room, view);
      if (held && !view) query.append("last_event_id", `${held.version}`);
      return "livekit/participants/stream";
    },
    on: {
      // The service knows which version is shown. If its first list is older, it has lost that version.
      "participants:update": (participants: readonly Participant[], id, replaces) =>
        take({ version: +id, participants, replaces }),
      count: (counts: SentCounts) => take(sentCounts(counts)),
    },
    hasSome: shown,
    hasAll: shown,
    async ask(token, _hasFailed, takeAnswer) {
      const sent = await askFor(url, room, view, held, token, credentials);
      if (sent) takeAnswer(() => take(sent));
      return true;
    },
  };
  return Object.assign(connect(url, credentials, listener, topic, loadSocket), { shown });
}

export function addRoom(query: URLSearchParams, room: string, view: View | undefined): void {
  query.append("room", room);
  if (view) query.append("view", view);
}

export const sentCounts = ({ version, ...counts }: SentCounts): Sent => ({ version, counts });

/** Asks for a room by a plain request. Returns nothing if it is as it was. */
export async function askFor(
  url: string,
  room: string,
  view: View | undefined,
  held: Shown | undefined,
  token: string | undefined,
  credentials: Credentials,
): Promise<Sent | undefined> {
  const query = new URLSearchParams();
  addRoom(query, room, view);
  const path = `${url}/api/livekit/participants?${query}`;
  const { etag, body } = await get(path, token, credentials, held?.version ? `"${held.version}"` : null);
  if (!body) return;
  if (view) return sentCounts(body as SentCounts);
  // A proxy that compresses makes the ETag weak (W/"17"), and others drop it: then the version is 0.
  return { version: Number(/\d+/.exec(etag!)), participants: body as readonly Participant[] };
}
