// What is asked of the service, and what it means when it does not give it.

const ANSWER_WITHIN = 10_000;

/** What went wrong, in a sentence for whoever looks at the page. */
export class Problem extends Error {
  constructor(detail, { status = 0, retryAfter = 0 } = {}) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }

  /** The service says in its answer what can be done (RFC 9457). */
  static async of(response) {
    const body = await response.json().catch(() => ({}));
    const detail = body.detail ?? `the service answered ${response.status}`;
    const retryAfter = 1_000 * (Number(response.headers.get("retry-after")) || 0);
    return new Problem(detail, { status: response.status, retryAfter });
  }

  static get unreachable() {
    return new Problem("the service cannot be reached");
  }

  get isAboutToken() {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * The LiveKit access token that the page was opened with, or null.
 *
 * It comes behind `#`, which no browser sends to anybody. From there it moves into this tab's history entry, which
 * outlasts a reload: out of sight, and not passed on with the address.
 */
export const accessToken = (() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("access_token");
  if (token) history.replaceState({ token }, "", location.pathname + location.search);
  return history.state?.token ?? null;
})();

/** The rooms as a query, which is how long it makes the address, too. */
export function queryOf(rooms) {
  return new URLSearchParams(rooms.map((room) => ["room", room])).toString();
}

/** EventSource sends no headers, so here, and only here, the token stands in the address. The service never logs it. */
export function streamAddress(rooms) {
  const token = accessToken ? `&${new URLSearchParams({ access_token: accessToken })}` : "";
  return `api/livekit/rooms/stream?${queryOf(rooms)}${token}`;
}

/** Which rooms there are. Conditional without saying so: the browser keeps the answer, and asks whether it still holds. */
export async function askForRooms() {
  const response = await ask("api/livekit/rooms");
  if (!response.ok) throw await Problem.of(response);
  return response.json().catch(() => {
    throw new Problem("something else than this service has answered");
  });
}

/** EventSource does not tell why it failed, so the same is asked once more with fetch. Null: nothing is wrong with it. */
export async function whyNot(rooms) {
  const response = await ask(`api/livekit/rooms/stream?${queryOf(rooms)}`).catch((problem) => problem);
  if (response instanceof Problem) return response;
  if (response.status === 204) return new Problem("this service has its streams switched off");
  if (!response.ok) return Problem.of(response);
  // It opens after all, and would never end by itself.
  await response.body.cancel();
  return null;
}

async function ask(path) {
  const headers = accessToken ? { Authorization: `Bearer ${accessToken}` } : {};
  const response = await fetch(path, { headers, signal: AbortSignal.timeout(ANSWER_WITHIN) }).catch(() => null);
  if (!response) throw Problem.unreachable;
  return response;
}
