// What a connection may subscribe to, and the ways in which a stream of it may come.

import type { Credentials, Refusal } from "../service.js";

/** The effect of what the service sent. An enum of constants costs nothing in what browsers load. */
export const enum Effect {
  /** It changed nothing that is shown. */
  SAME,
  /** It changed what is shown. */
  CHANGED,
  /** Something before it is missing: only a new stream helps. */
  GAP,
}

/** What a connection subscribes to: rooms, the list of rooms, or the events. It keeps what is shown. */
export interface Topic {
  /** Returns the path of its stream after `/api/`, and adds to the query. Returns nothing if there is nothing to watch. */
  path(query: URLSearchParams): string | undefined;
  /** Takes an event of a stream, by its name. `isFirst`: none came before it since the stream opened. */
  readonly on: Readonly<Record<string, (data: never, id: string, isFirst: boolean) => Effect>>;
  /** If its stream has no heartbeats that a page sees: how long it says nothing before another one shows that it is not lost. */
  readonly quietTimeout?: number;
  /** Whether something is shown. */
  hasSome(): unknown;
  /** Whether all is shown, even if it may be old. */
  hasAll(): unknown;
  /**
   * Asks by plain requests, because a stream failed or cannot be had. `hasFailed`: an earlier stream failed too. Passes to `take`
   * what becomes of each answer, which is not called if the answer is outdated. Returns whether this may go on in place of a stream.
   */
  ask(token: string | undefined, hasFailed: boolean, take: (act: () => Effect) => void): Promise<boolean>;
}

/** An open stream. */
export interface Stream {
  close(): void;
  /** Changes the rooms on the open stream, where that is possible. Returns whether it did. */
  setRooms?(before: ReadonlySet<string>, now: ReadonlySet<string>): boolean;
}

/**
 * Opens a stream. Calls
 * - `onEvent` for each event of one of these names;
 * - `onReopening` when the stream is lost and is opened again without the connection's help;
 * - `onLost` when it is not, with a refusal if the service gave a reason.
 */
export type OpenStream = (
  address: string,
  token: string | undefined,
  credentials: Credentials,
  names: readonly string[],
  onEvent: (name: string, data: unknown, id: string) => void,
  onReopening: () => void,
  onLost: (refusal?: Refusal) => void,
) => Stream;

/** Loads the module for streams by WebSocket, or has it already. */
export type LoadSocket = () => { readonly openSocket: OpenStream } | Promise<{ readonly openSocket: OpenStream }>;
