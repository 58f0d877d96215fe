import type { PresenceError, TokenSource } from "./types.js";

const enum Millis {
  /** A request that takes longer has failed. */
  ANSWER_WITHIN = 10_000,
  /** The shortest time that a token is used: it may be past its end by this machine's clock alone. */
  SHORTEST_USE = 5_000,
  /** How long one is used that has no end. */
  A_DAY = 86_400_000,
}
const enum Times {
  /** Another token is got when so much of one's life is over. */
  PART_OF_LIFE = 0.9,
}

/** What the service answered to a GET; without a body when that would be the one that `etag` of the question stands for. */
export interface Answer {
  readonly etag?: string | null;
  readonly body?: unknown;
}

/** A GET that failed. */
export interface Refusal extends PresenceError {
  /** Not to be tried again before so many milliseconds are over. */
  readonly retryAfter?: number;
}

/** A query that names rooms. React Native has nothing of `URLSearchParams` that could be relied on but `append`. */
export function queryOf(rooms: Iterable<string>): URLSearchParams {
  const query = new URLSearchParams();
  for (const room of rooms) query.append("room", room);
  return query;
}

export const UNREACHABLE: Refusal = { status: 0, message: "the service cannot be reached" };
/** The service has ended the stream, and would end another one of the same identity for each that comes back by itself. */
export const REPLACED: Refusal = {
  status: 429,
  message: "a newer stream of this identity has replaced this one: reconnect to get it back",
};
export const NO_TOKEN: Refusal = { status: 0, message: "no token could be had" };

/** Asks for JSON. Throws a `Refusal`, or what `fetch` throws when there is no answer. */
export async function get(
  address: string,
  token: string | undefined,
  credentials: Credentials,
  etag?: string | null,
): Promise<Answer> {
  // Not by `AbortSignal.timeout`, which React Native has not, nor Safari before 16.
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), Millis.ANSWER_WITHIN);
  const response = await fetch(address, {
    headers: { ...(token && { Authorization: `Bearer ${token}` }), ...(etag && { "If-None-Match": etag }) },
    signal: patience.signal,
    ...(credentials.withCredentials && { credentials: "include" }),
  });
  const { status, headers } = response;
  // A refusal says in its body what can be done (RFC 9457).
  const body: unknown = await response.json().catch(() => null);
  clearTimeout(timer);
  if (status === 304 || (response.ok && Array.isArray(body))) return { etag: headers.get("ETag"), body };
  const refusal: Refusal = {
    status,
    message: String((body as { detail?: string | number } | null)?.detail ?? `the service answered ${status}`),
    retryAfter: Number(headers.get("Retry-After")) * 1_000 || 0,
  };
  throw refusal;
}

/** A token where it comes from, with what is known of it. */
export interface Credentials {
  /** Whether cookies are sent to another origin. */
  readonly withCredentials: boolean | undefined;
  /** The token to use now. Throws a `Refusal`, and never with what was thrown: the token may be in it. */
  get(): Promise<string | undefined>;
  /** In how many milliseconds another token is to be got. */
  freshFor(): number;
  /** The token was refused, and so many before it in a row. Tells whether there can be a better one. */
  forget(before: number): boolean;
}

export function credentialsFrom(source: TokenSource | undefined, withCredentials: boolean | undefined): Credentials {
  let token: string | undefined;
  let freshUntil = 0;
  return {
    withCredentials,
    async get() {
      if (typeof source !== "function") return source;
      if (Date.now() < freshUntil) return token;
      try {
        token = await source();
      } catch {
        throw NO_TOKEN;
      }
      const left = (claimsOf(token).exp ?? 0) * 1_000 - Date.now();
      // If it ended before it came, this machine's clock is wrong: it is used until it is refused.
      freshUntil = Date.now() + (left > 0 ? Math.max(left * Times.PART_OF_LIFE, Millis.SHORTEST_USE) : Millis.A_DAY);
      return token;
    },
    freshFor: () => (typeof source === "function" ? freshUntil - Date.now() : Millis.A_DAY),
    forget(before) {
      freshUntil = 0;
      return typeof source === "function" && !before;
    },
  };
}

interface Claims {
  exp?: number;
  video?: { roomList?: boolean; roomAdmin?: boolean; room?: string };
}

/** The claims of a JWT, as far as it is one. */
export function claimsOf(token: string | null | undefined): Claims {
  try {
    return (JSON.parse(atob(token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) as Claims | null) ?? {};
  } catch {
    return {};
  }
}
