"use client";

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import { mayModerate } from "../moderate/claims.js";
import { moderatorOf } from "../moderate/moderator.js";
import { ModerationError } from "../moderate/request.js";
import type { Moderator } from "../moderate/types.js";
import type { TokenSource } from "../types.js";
import { optimistic } from "./optimistic.js";
import { usePresence } from "./provider.js";
import { changesOf } from "./room-changes.js";

/** How `useModeration` moderates. */
export interface ModerationOptions {
  /** The moderator's token, if it is another one than the provider's. */
  readonly token?: TokenSource | undefined;
  /** Whether the page knows that it may moderate: needed where the token is in a cookie, which no page can read. */
  readonly canModerate?: boolean | undefined;
}

/** What `useModeration` returns: the calls of `moderate`, and how they went. */
export interface Moderation extends Omit<Moderator, "room"> {
  /** Whether the token has `roomAdmin` for this room. False until that is known. */
  readonly canModerate: boolean;
  /** Whether a call of this component is under way. */
  readonly isBusy: boolean;
  /** Why the newest call that failed did so. Null again after a call that succeeds, or `dismiss()`. */
  readonly error: ModerationError | null;
  readonly dismiss: () => void;
}

const enum Millis {
  /** After this long a token is asked for again that could not be had. */
  LOOK_AGAIN = 30_000,
}

interface Progress {
  readonly underWay: number;
  readonly error: ModerationError | null;
}

const IDLE: Progress = { underWay: 0, error: null };

/**
 * Moderates a room. What is changed shows at once in `useRoomPresence` and `useRoster`, and is taken back if the service refuses: the
 * promise then rejects with a `ModerationError`, and `error` has it too, so that a component need not handle the promise.
 */
export function useModeration(room: string | null | undefined, options: ModerationOptions = {}): Moderation {
  const presence = usePresence("useModeration");
  const changes = changesOf(presence, room);
  useEffect(() => changes.subscribe(() => {}), [changes]);
  const caller = useCaller(room, options.token);
  const [progress, setProgress] = useState(IDLE);
  const moderator = useMemo(() => {
    const plain = moderatorOf(caller, room ?? "");
    return watched(
      optimistic(plain, changes, () => presence.room(room).participants),
      setProgress,
    );
  }, [caller, room, changes, presence]);
  const mayModerate = useMayModerate(caller, room);
  const canModerate = options.canModerate ?? mayModerate;
  const dismiss = useCallback(() => setProgress(({ underWay }) => ({ underWay, error: null })), []);
  return useMemo(
    () => ({ ...moderator, canModerate, isBusy: progress.underWay > 0, error: progress.error, dismiss }),
    [moderator, canModerate, progress, dismiss],
  );
}

type Caller = Parameters<typeof moderatorOf>[0];

/**
 * A new function as a token is called the next time that one is needed, and a new string is another token. Each room has a token of
 * its own.
 */
function useCaller(room: string | null | undefined, token: TokenSource | undefined): Caller {
  const presence = usePresence("useModeration");
  const newest = useRef(token);
  useEffect(() => {
    newest.current = token;
  });
  const fixed = typeof token === "function" ? null : token;
  return useMemo(() => {
    const getNewest = () => {
      const now = newest.current;
      return typeof now === "function" ? now() : (now ?? "");
    };
    return presence.caller(fixed === null ? getNewest : fixed);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- The token of one room does not moderate another.
  }, [presence, fixed, room]);
}

/** Whether the token says that its bearer moderates the room. Looks again when the connection comes back. */
function useMayModerate(caller: Caller, room: string | null | undefined): boolean {
  const presence = usePresence("useModeration");
  const status = useSyncExternalStore(
    presence.onLink,
    () => presence.link().status,
    () => presence.linkAtFirst().status,
  );
  const [found, setFound] = useState<{ readonly caller: Caller; readonly room: string } | null>(null);
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () =>
      void caller.credentials.get().then(note, () => {
        note();
        if (!isOver) timer = setTimeout(look, Millis.LOOK_AGAIN);
      });
    const note = (token?: string) => {
      if (isOver) return;
      setFound(room && mayModerate(token, room) ? { caller, room } : null);
    };
    look();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [caller, room, status]);
  return found?.caller === caller && found.room === room;
}

type SetProgress = (change: (before: Progress) => Progress) => void;

/** Tells how calls go. Whoever does not handle the promise has the error from there. */
function watched(moderator: Moderator, setProgress: SetProgress): Omit<Moderator, "room"> {
  const around =
    <Args extends unknown[], Answer>(call: (...args: Args) => Promise<Answer>) =>
    (...args: Args): Promise<Answer> => {
      setProgress(({ underWay, error }) => ({ underWay: underWay + 1, error }));
      const promise = call(...args);
      promise.then(
        () => setProgress(({ underWay }) => ({ underWay: underWay - 1, error: null })),
        (error: unknown) => setProgress(({ underWay }) => ({ underWay: underWay - 1, error: asError(error) })),
      );
      return promise;
    };
  return { ...wrapped(moderator, around), roster: wrapped(moderator.roster, around) };
}

/** Every function of an object, wrapped. What is no function is left out. */
function wrapped<Calls extends object>(calls: Calls, around: (call: never) => unknown): Calls {
  const functions = Object.entries(calls).filter(([, call]) => typeof call === "function");
  return Object.fromEntries(functions.map(([name, call]) => [name, around(call as never)])) as Calls;
}

const asError = (error: unknown): ModerationError =>
  error instanceof ModerationError ? error : new ModerationError(0, "something went wrong in the page");
