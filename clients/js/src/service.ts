// Requests to the service, and the tokens for them.

import type { PresenceError, TokenSource } from "./types.js";

const enum Millis {
  REQUEST_TIMEOUT = 10_000,
  /** A token is used for at least this long, because this machine's clock may be ahead. */
  MIN_USE = 5_000,
  /** The next token is requested at least this long before the old one expires: the source may be slow. */
  MARGIN = 10_000,
  /** How long a token without an expiry is used before the next one is requested. */
  A_DAY = 86_400_000,
}
const enum Times {
  /** The part of its remaining life for which a token is used. */
  PART_OF_LIFE = 0.9,
}

/** The service's answer to a GET. Has no body if nothing changed since the `etag` of the request. */
export interface Answer {
  readonly etag?: string | null;
  readonly body?: unknown;
}

/** A GET that failed. */
export interface Refusal extends PresenceError {
  /** How long to wait before trying again, in milliseconds. */
  readonly retryAfter?: number;
}

/** A query that names rooms. In React Native, `append` is the only reliable method of `URLSearchParams`. */
export function queryOf(rooms: Iterable<string>): URLSearchParams {
  const query = new URLSearchParams();
  for (const room of rooms) query.append("room", room);
  return query;
}

export const UNREACHABLE: Refusal = { status: 0, message: "the service cannot be reached" };
/** The service ended the stream because its identity has too many. If it came back by itself, another one would end. */
export const REPLACED: Refusal = {
  status: 429,
  message: "a newer stream of this identity has replaced this one: reconnect to get it back",
};
export const NO_TOKEN: Refusal = { status: 0, message: "no token could be had" };

/** Gets a list or counts as JSON, or sees whether a stream is to be had. Throws a `Refusal`, or what `fetch` throws. */
export async function get(
  address: string,
  token: string | undefined,
  credentials: Credentials,
  etag?: string | null,
  isStream?: boolean,
): Promise<Answer> {
  // React Native and Safari before 16 have no `AbortSignal.timeout`.
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), Millis.REQUEST_TIMEOUT);
  const response = await fetch(address, {
    headers: { ...(token && { Authorization: `Bearer ${token}` }), ...(etag && { "If-None-Match": etag }) },
    signal: timeout.signal,
    ...(credentials.withCredentials && { credentials: "include" }),
  });
  const { status, headers, ok } = response;
  // A refusal says in its body what to do (RFC 9457). A stream has no end.
  const body = (isStream && ok ? timeout.abort() : await response.json().catch(() => null)) as Body | null | undefined;
  clearTimeout(timer);
  if (status === 304 || (ok && (isStream || Array.isArray(body) || (body?.version as number) >= 0))) {
    return { etag: headers.get("ETag"), body };
  }
  const refusal: Refusal = {
    status,
    message: `${body?.detail ?? `the service answered ${status}`}`,
    retryAfter: Number(headers.get("Retry-After")) * 1_000 || 0,
  };
  throw refusal;
}

/** What is read of any answer: why it is a refusal, and the version of counts. */
interface Body {
  readonly detail?: string | number;
  readonly version?: number;
}

/** Supplies the token, and remembers how long it is good. */
export interface Credentials {
  /** Whether cookies are sent to another origin. */
  readonly withCredentials: boolean | undefined;
  /** The token to use now. If the source throws, throws a `Refusal` without its error, which may contain the token. */
  get(): Promise<string | undefined>;
  /** Milliseconds until the next token is needed; infinitely many for a token that has no next one. */
  freshFor(): number;
  /** The service refused the token, and `before` tokens in a row before it. Returns whether to try another one. */
  forget(before: number): boolean;
}

export function credentialsFrom(source: TokenSource | undefined, withCredentials: boolean | undefined): Credentials {
  let token: string | undefined;
  let freshUntil = 0;
  const isConstant = typeof source !== "function";
  return {
    withCredentials,
    async get() {
      if (isConstant) return source;
      if (Date.now() < freshUntil) return token;
      try {
        token = await source();
      } catch {
        throw NO_TOKEN;
      }
      const left = (claimsOf(token).exp ?? 0) * 1_000 - Date.now();
      // A token that has already expired means that this machine's clock is wrong. It is used until it is refused.
      const use = Math.max(Math.min(left * Times.PART_OF_LIFE, left - Millis.MARGIN), Millis.MIN_USE);
      freshUntil = Date.now() + (left > 0 ? use : Millis.A_DAY);
      return token;
    },
    freshFor: () => (isConstant ? Infinity : freshUntil - Date.now()),
    forget(before) {
      freshUntil = 0;
      return !isConstant && !before;
    },
  };
}

interface Claims {
  exp?: number;
  video?: { roomList?: boolean; roomAdmin?: boolean; room?: string };
}

/** The claims of a JWT; none if it is not a JWT. */
export function claimsOf(token: string | null | undefined): Claims {
  try {
    return (JSON.parse(atob(token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))) as Claims | null) ?? {};
  } catch {
    return {};
  }
}
