// `readRoom`.

import { credentialsFrom, get, type Refusal } from "./service.js";
import type { RoomInfo, ServiceOptions } from "./types.js";

/** Whose room to read. */
export interface ReadRoomOptions extends Pick<ServiceOptions, "url" | "token" | "withCredentials"> {
  readonly room: string;
}

/** Reads one room without its people: its numbers and its metadata. Rejects with a `PresenceError` if the service refuses. */
export async function readRoom({ room, url = "", token, withCredentials }: ReadRoomOptions): Promise<RoomInfo> {
  // Browsers would take such a name for a way to another path.
  if (/^\.{0,2}$/.test(room)) throw { status: 400, message: `a room cannot be \`${room}\` in an address` } as Refusal;
  const credentials = credentialsFrom(token, withCredentials);
  const address = `${url.replace(/\/+$/, "")}/api/livekit/rooms/${encodeURIComponent(room)}`;
  const answer = await get(address, await credentials.get(), credentials);
  return answer.body as RoomInfo;
}
