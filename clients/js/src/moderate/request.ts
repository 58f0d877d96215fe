// Requests that change something, and answers that say what is wrong.

import type { Credentials, Refusal } from "../service.js";

const enum Millis {
  /** The service waits for LiveKit, which may be slow. */
  REQUEST_TIMEOUT = 15_000,
}

/** Why a call failed. Its message is that of the service. Never contains a token. */
export class ModerationError extends Error {
  override readonly name = "ModerationError";

  constructor(
    /** The HTTP status of the answer. 0 if there was none. */
    readonly status: number,
    /** A sentence that says what is wrong, and what to do about it. */
    readonly detail: string,
    /** How long to wait before trying again, in milliseconds. Null if the service did not say. */
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }
}

/** Where the service is, and who asks. The URL has no slash at its end. */
export interface Caller {
  readonly url: string;
  readonly credentials: Credentials;
}

/** A request. The path begins after `/api/livekit/`. */
export interface Call {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: object | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A path of these names. Browsers would take some of them for a way to another path, and so for another request. */
export function pathOf(...names: readonly string[]): string {
  for (const name of names) {
    if (!name || name === "." || name === "..") {
      throw new ModerationError(400, `a room or an identity cannot be \`${name}\` in an address`);
    }
  }
  return names.map(encodeURIComponent).join("/");
}

/** Makes a call, once more with another token if the service does not take this one. Throws a `ModerationError`. */
export async function send<Answer>(caller: Caller, call: Call): Promise<Answer> {
  for (let refusals = 0; ; refusals += 1) {
    const token = await caller.credentials.get().catch((refusal: unknown) => {
      const { status, message } = refusal as Refusal;
      throw new ModerationError(status, message);
    });
    try {
      return await sendOnce<Answer>(caller, call, token);
    } catch (error) {
      const isRefused = error instanceof ModerationError && error.status === 401;
      if (!isRefused || !caller.credentials.forget(refusals)) throw error;
    }
  }
}

async function sendOnce<Answer>(
  { url, credentials }: Caller,
  { method, path, body, headers }: Call,
  token: string | undefined,
): Promise<Answer> {
  const isReading = method === "GET";
  // React Native and Safari before 16 have no `AbortSignal.timeout`.
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), Millis.REQUEST_TIMEOUT);
  try {
    const response = await fetch(`${url}/api/livekit/${path}`, {
      method,
      headers: {
        ...(token && { Authorization: `Bearer ${token.trim()}` }),
        ...(body && { "Content-Type": "application/json" }),
        ...headers,
      },
      ...(body && { body: JSON.stringify(body) }),
      // A cached answer would show what was before the last change.
      cache: "no-store",
      signal: timeout.signal,
      ...(credentials.withCredentials && { credentials: "include" }),
    });
    if (response.status === 204) return undefined as Answer;
    const answer: unknown = response.ok ? await response.json() : await response.json().catch(() => null);
    if (response.ok) return answer as Answer;
    const { status } = response;
    const detail = (answer as Problem | null)?.detail ?? `the service answered ${status}`;
    throw new ModerationError(status, detail, Number(response.headers.get("Retry-After")) * 1_000 || null);
  } catch (error) {
    if (error instanceof ModerationError) throw error;
    // The message of any other error may contain the address. A request that got lost may have been carried out.
    throw new ModerationError(
      0,
      isReading || !timeout.signal.aborted
        ? "the service cannot be reached"
        : "the service did not answer: look whether it did what was asked before you try again",
    );
  } finally {
    clearTimeout(timer);
  }
}

/** Why the service refuses (RFC 9457). */
interface Problem {
  readonly detail?: string;
}
