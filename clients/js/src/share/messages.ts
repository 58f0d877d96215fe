// What tabs and the owner of their common connection, the hub, tell each other.

import type { Message } from "../lists.js";
import type { Link, TransportName, View } from "../types.js";

/** How a tab introduces itself to the hub. */
export interface Hello {
  readonly type: "hello";
  readonly url: string;
  readonly withCredentials: boolean | undefined;
  readonly view: View | undefined;
  /** All tabs of a connection have the same, as all that is above. */
  readonly transport: TransportName | undefined;
  readonly rooms: ReadonlySet<string>;
  readonly isVisible: boolean;
  /** How long the tab stays connected while it is hidden, in milliseconds. */
  readonly stays: number | undefined;
  readonly hasToken: boolean;
}

/** From a tab to the hub. */
export type ToHub =
  | Hello
  | { readonly type: "rooms"; readonly rooms: ReadonlySet<string> }
  | { readonly type: "visible"; readonly isVisible: boolean; readonly stays: number | undefined }
  | { readonly type: "online"; readonly isOnline: boolean }
  | { readonly type: "reconnect" }
  /** The answer to `ask token`. Null if the tab cannot get one. */
  | { readonly type: "token"; readonly token: string | null };

/** From the hub to a tab. */
export type ToTab =
  /** The hub is there, and wants a `hello`. It holds the lock `life` until it ends. */
  | { readonly type: "ready"; readonly life?: string }
  | { readonly type: "link"; readonly link: Link }
  | { readonly type: "message"; readonly message: Message }
  /** The connection has no place for this tab's rooms. */
  | { readonly type: "full" }
  | { readonly type: "ask token"; readonly isAnew: boolean };

/** A message with its address: the id of the tab, and the key of the connection. */
export interface Letter<Content> {
  readonly tab: string;
  readonly key: string;
  readonly content: Content;
}

/** Begins the names of locks, channels and the worker. Raise its number when these messages change. */
export const NAME = "livekit-presence 4";

/** The lock that a tab holds while it watches. The hub gets it when the tab is gone. */
export const lifeOf = (tab: string): string => `${NAME} tab ${tab}`;

/** A unique id. Not from `crypto.randomUUID`: Chrome before 92 has locks, but not that. */
export const newId = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");
