// The attendance of one room, kept up to date: its rows are fetched, and what the room's stream tells is added at once. They are
// fetched again after a change, and not by the clock.

import { backoff, isFinal } from "../connection/retry.js";
import { NO_TOKEN, UNREACHABLE, type Credentials, type Refusal } from "../service.js";
import type { Participant } from "../types.js";
import { RANGES } from "./layout.js";
import { newSightings } from "./sightings.js";
import type { AttendanceRange, AttendanceState, Attendee, Span } from "./types.js";

/** People in one answer, at most what the service gives. */
const PAGE_LIMIT = 1_000;
/** More pages are not fetched. */
const MAX_PAGES = 5;

const enum Millis {
  REQUEST_TIMEOUT = 20_000,
  /** What changes within this time after a change causes one request. */
  PAUSE = 1_000,
  /** Something that the rows may not show: a change of metadata, or somebody who came and went between two lists. */
  LONG_PAUSE = 15_000,
  /** Everybody who watches the room learns of a change at once. They fetch the rows within this time, not all together. */
  SPREAD = 2_000,
  /** Rows that lack something are fetched again, at last after this long. */
  MAX_WAIT = 60_000,
}
/** A clock that is off by more than this, in milliseconds, has asked for another range than it shows. */
const MAX_CLOCK_ERROR = 30_000;
/** After a request this many times as long nothing is fetched. */
const PAUSE_PER_REQUEST = 20;
/** How often rows that still lack what was seen are fetched again. */
const MAX_CHECKS = 8;

interface Page {
  readonly toMs: number;
  readonly people: readonly Attendee[];
  readonly next?: string | null;
}

export interface AttendanceFeed {
  state(): AttendanceState;
  /** The service's time, as far as it is known. */
  now(): number;
  /** Takes the room's newest list from its stream. A list of another version causes a request. */
  see(list: { readonly participants: readonly Participant[]; readonly version: number | null }): void;
  /** Looks back this far from now on. */
  setRange(range: AttendanceRange): void;
  /** Fetches the rows, whatever was before. */
  reload(): void;
  close(): void;
}

/** Where the rows come from. The URL has no slash at its end. */
export interface AttendanceSource {
  readonly url: string;
  readonly credentials: Credentials;
  readonly room: string;
}

/** Begins to fetch the rows of a room, and calls `onChange` whenever `state` is another. */
export function followAttendance(
  source: AttendanceSource,
  firstRange: AttendanceRange,
  onChange: () => void,
): AttendanceFeed {
  const sightings = newSightings();
  let range = firstRange;
  let rows: readonly Attendee[] = [];
  let state: AttendanceState = { status: "loading", error: null, people: [], isCut: false, clockOffset: 0 };
  let version: number | null = null;
  let isClockKnown = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let dueAt = Infinity;
  /** Fetching takes its time: not again before this time of this machine's clock. */
  let notBefore = 0;
  let request: AbortController | undefined;
  let failures = 0;
  let refusals = 0;
  let checks = 0;
  let isClosed = false;
  /** The service would refuse the same request again. */
  let isRefused = false;
  let stopWaiting = () => {};

  const now = () => Date.now() + state.clockOffset;

  function change(changed: Partial<AttendanceState>): void {
    state = Object.freeze({ ...state, ...changed });
    onChange();
  }

  // When to fetch.

  /** Fetches the rows after a while, if it is not planned for an earlier time. */
  function plan(delay: number): void {
    const at = Math.max(Date.now() + delay, notBefore);
    if (isClosed || isRefused || at >= dueAt) return;
    clearTimeout(timer);
    dueAt = at;
    timer = setTimeout(begin, at - Date.now());
  }

  function begin(): void {
    dueAt = Infinity;
    // What changed during a request may not be in its answer.
    if (request) return plan(Millis.PAUSE);
    // A hidden page may be told of changes for hours.
    if (isHidden()) return waitUntilVisible();
    void load();
  }

  function waitUntilVisible(): void {
    const see = () => {
      if (isHidden()) return;
      stopWaiting();
      plan(0);
    };
    stopWaiting();
    document.addEventListener("visibilitychange", see);
    stopWaiting = () => document.removeEventListener("visibilitychange", see);
  }

  // Fetching.

  async function load(): Promise<void> {
    const own = (request = new AbortController());
    const startedAt = Date.now();
    const timeout = setTimeout(() => own.abort(), Millis.REQUEST_TIMEOUT);
    try {
      const token = await source.credentials.get();
      const fetched = await allPages(source, token, startedAt + state.clockOffset - RANGES[range], own.signal);
      if (own === request) take(fetched, startedAt);
    } catch (refusal) {
      if (own === request) fail(refusal);
    } finally {
      clearTimeout(timeout);
      if (own === request) request = undefined;
    }
  }

  function take({ people, toMs, isCut }: Fetched, startedAt: number): void {
    const clockOffset = toMs - Date.now();
    const hasAskedWrongly = !isClockKnown && Math.abs(clockOffset) > MAX_CLOCK_ERROR;
    isClockKnown = true;
    failures = refusals = 0;
    rows = people;
    notBefore = Date.now() + Math.min((Date.now() - startedAt) * PAUSE_PER_REQUEST, Millis.MAX_WAIT);
    sightings.forgetThoseIn(rows, toMs);
    change({ status: "ready", error: null, people: sightings.mergedWith(rows), isCut, clockOffset });
    if (hasAskedWrongly) plan(0);
    else if (isCut || sightings.areIn(rows)) checks = 0;
    else if (checks < MAX_CHECKS) plan(Math.min(Millis.PAUSE * 2 ** checks++, Millis.MAX_WAIT));
  }

  function fail(thrown: unknown): void {
    // The message of any other error may contain the address.
    const { status, message, retryAfter = 0 } = isRefusal(thrown) ? thrown : UNREACHABLE;
    if (status === 401 && source.credentials.forget(refusals++)) return plan(0);
    const isOff = status === 404;
    isRefused = isOff || isFinal(status);
    const people = isOff ? [] : state.people;
    const isKnown = !isOff && state.status === "ready";
    change({ status: isOff ? "off" : isKnown ? "ready" : "error", error: { status, message }, people });
    plan(retryAfter + backoff(failures++));
  }

  // What the stream tells.

  function see(list: { readonly participants: readonly Participant[]; readonly version: number | null }): void {
    if (list.version === null || list.version === version || state.status === "off") return;
    const isFirst = version === null;
    version = list.version;
    const isChanged = sightings.see(list.participants, now());
    if (isChanged && state.status === "ready") change({ people: sightings.mergedWith(rows) });
    // Rows that are still awaited are compared with the list when they are there.
    if (isFirst && (state.status === "loading" || sightings.areIn(rows))) return;
    checks = 0;
    plan((isChanged ? Millis.PAUSE : Millis.LONG_PAUSE) + Math.random() * Millis.SPREAD);
  }

  plan(0);
  return {
    state: () => state,
    now,
    see,
    setRange(wanted) {
      if (range === wanted) return;
      range = wanted;
      reload();
    },
    reload,
    close() {
      isClosed = true;
      clearTimeout(timer);
      request?.abort();
      request = undefined;
      stopWaiting();
    },
  };

  function reload(): void {
    request?.abort();
    request = undefined;
    notBefore = 0;
    isRefused = false;
    plan(0);
  }
}

interface Fetched {
  readonly people: readonly Attendee[];
  readonly toMs: number;
  readonly isCut: boolean;
}

/** The rows since a time, up to as many as are shown. */
async function allPages(
  { url, room, credentials }: AttendanceSource,
  token: string | undefined,
  from: number,
  signal: AbortSignal,
): Promise<Fetched> {
  const people: Attendee[] = [];
  let cursor: string | null | undefined;
  let toMs: number | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const query = new URLSearchParams();
    query.append("from", String(Math.max(0, Math.round(from))));
    query.append("limit", String(PAGE_LIMIT));
    // The pages of one answer have one end.
    if (toMs !== undefined) query.append("to", String(toMs));
    if (cursor) query.append("cursor", cursor);
    const address = `${url}/api/livekit/rooms/${encodeURIComponent(room)}/attendance?${query}`;
    const answer = await getPage(address, token, credentials.withCredentials, signal);
    const end = (toMs ??= answer.toMs);
    people.push(...answer.people.map((person) => openedAt(end, person)));
    cursor = answer.next;
    if (!cursor) break;
  }
  return { people, toMs: toMs!, isCut: !!cursor };
}

/** The service ends at the end of the range, which is now, what goes on. This lets it go on. */
function openedAt(end: number, person: Attendee): Attendee {
  const opened = (spans: readonly Span[]) => spans.map(([from, to]): Span => [from, to === end ? null : to]);
  const sessions = person.sessions.map((session) => {
    if (session.leftAtMs !== null) return session;
    const { intervals, microphone, camera, screen } = session;
    return {
      ...session,
      intervals: opened(intervals),
      microphone: opened(microphone),
      camera: opened(camera),
      screen: opened(screen),
    };
  });
  return { ...person, sessions };
}

async function getPage(
  address: string,
  token: string | undefined,
  withCredentials: boolean | undefined,
  signal: AbortSignal,
): Promise<Page> {
  const response = await fetch(address, {
    headers: { Accept: "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    signal,
    ...(withCredentials && { credentials: "include" }),
  });
  const { status, headers, ok } = response;
  const body = (await response.json().catch(() => null)) as (Partial<Page> & { detail?: string }) | null;
  if (ok && Array.isArray(body?.people)) return body as Page;
  const refusal: Refusal = {
    status,
    message: body?.detail ?? `the service answered ${status}`,
    retryAfter: Number(headers.get("Retry-After")) * 1_000 || 0,
  };
  throw refusal;
}

const isRefusal = (thrown: unknown): thrown is Refusal =>
  thrown === NO_TOKEN || (typeof thrown === "object" && thrown !== null && "message" in thrown && "status" in thrown);

// eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- React Native and servers have none.
const isHidden = (): boolean => globalThis.document?.hidden ?? false;
