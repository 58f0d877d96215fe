// `livekit-presence/moderate`: changes what happens in a room, and shows its roster.

import { credentialsFrom } from "../service.js";
import { moderatorOf } from "./moderator.js";
import { send, type Caller } from "./request.js";
import type { CallOptions, MadeToken, Moderator, TokenRequest } from "./types.js";

export { mayModerate } from "./claims.js";
export { ModerationError } from "./request.js";
export { watchRoster } from "./roster.js";
export type * from "./types.js";

/** Moderates a room. Needs a LiveKit access token with `roomAdmin` for this room, whatever `auth.mode` is. */
export function moderate({ room, ...options }: CallOptions & { readonly room: string }): Moderator {
  return moderatorOf(callerOf(options), room);
}

/** Asks the service for a LiveKit access token. `token` is that of the app, by which the service knows who asks. */
export async function requestToken({ room, name, metadata, username, ...options }: TokenRequest): Promise<MadeToken> {
  if (username === undefined) {
    return send(callerOf(options), { method: "POST", path: "token", body: { room, name, metadata } });
  }
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ room, username, name, metadata })) if (value) query.append(key, value);
  return send(callerOf(options), { method: "GET", path: `token?${query}` });
}

const callerOf = ({ url = "", token, withCredentials }: CallOptions): Caller => ({
  url: url.replace(/\/+$/, ""),
  credentials: credentialsFrom(token, withCredentials),
});
