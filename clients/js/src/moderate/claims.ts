// What a token says of its bearer.

import { claimsOf } from "../service.js";

/** Whether a token has `roomAdmin` for a room: what a page may offer. The service looks for itself. */
export function mayModerate(token: string | null | undefined, room: string): boolean {
  const { video } = claimsOf(token);
  return video?.roomAdmin === true && video.room === room;
}
