// Gets lists by plain requests, where there is no stream.

import type { Lists, Snapshot } from "../lists.js";
import { get, queryOf, type Credentials } from "../service.js";
import type { RoomListing } from "../types.js";

const enum Factor {
  GROWTH = 1.2,
}

/** The interval between polls, in milliseconds. */
export const enum Interval {
  MIN = 5_000,
  MAX = 15_000,
}

/** The interval after a poll that brought nothing new. */
export function longerInterval(interval: number): number {
  return Math.min(interval * Factor.GROWTH, Interval.MAX);
}

/** Asks once for the lists of these rooms, or for the list of rooms if none are given. Drops answers that are outdated. */
export type Ask = (
  rooms: readonly string[] | undefined,
  token: string | undefined,
  isOutdated: () => boolean,
) => Promise<unknown>;

/** Passes on only lists that differ from what `lists` shows. */
export function newAsk(
  url: string,
  credentials: Credentials,
  lists: Lists,
  onList: (list: Snapshot) => void,
  onRoomList: (rooms: readonly RoomListing[]) => void,
): Ask {
  /** The ETag of the list of rooms. The ETag of a room's list is its version. */
  let roomListEtag: string | null | undefined;
  return (rooms, token, isOutdated) =>
    Promise.all(
      (rooms ?? [""]).map(async (room) => {
        const version = lists.shown.get(room)?.version;
        const path = `${url}/api/livekit/${rooms ? `participants?${queryOf([room])}` : "rooms"}`;
        const { etag, body } = await get(path, token, credentials, version ? `"${version}"` : roomListEtag);
        if (!body || isOutdated()) return;
        if (rooms) {
          // A proxy that compresses makes the ETag weak (W/"17"), and others drop it: then the version is 0.
          onList({ room, version: Number(/\d+/.exec(etag!)), participants: body as Snapshot["participants"] });
        } else {
          roomListEtag = etag;
          onRoomList(body as RoomListing[]);
        }
      }),
    );
}
