import { requestToken } from "livekit-presence/moderate";

export const url: string | undefined = import.meta.env.VITE_PRESENCE_URL;

/** Who moderates here. */
export const MODERATOR = "backstage";

/**
 * The token of a moderator of a room. The service of `make run` gives one to anybody. An app with users gets theirs from
 * the service too, and shows it the user's own token:
 * requestToken({ room, token: () => session.token })
 */
export async function moderatorToken(room: string): Promise<string> {
  const given: string | undefined = import.meta.env.VITE_MODERATOR_TOKEN;
  return given ?? (await requestToken({ url, room, username: MODERATOR })).token;
}
