import type { Message } from "../lists.js";
import type { Link } from "../types.js";

/** A tab, as the hub is told of it. */
export interface Hello {
  readonly type: "hello";
  readonly url: string;
  /** The same for all tabs of one connection, as is the URL. */
  readonly withCredentials: boolean | undefined;
  readonly rooms: ReadonlySet<string>;
  readonly isVisible: boolean;
  /** How long it is kept up to date while it is hidden, in milliseconds. */
  readonly stays: number | undefined;
  readonly hasToken: boolean;
}

/** From a tab to whoever holds the connection. */
export type ToHub =
  | Hello
  | { readonly type: "rooms"; readonly rooms: ReadonlySet<string> }
  | { readonly type: "visible"; readonly isVisible: boolean; readonly stays: number | undefined }
  | { readonly type: "online"; readonly isOnline: boolean }
  | { readonly type: "reconnect" }
  /** The answer to `ask token`; null if there is none to be had. */
  | { readonly type: "token"; readonly token: string | null };

/** From whoever holds the connection to a tab. */
export type ToTab =
  /** It is there, and wants a `hello`. `life` is a lock that it holds for as long. */
  | { readonly type: "ready"; readonly life?: string }
  | { readonly type: "link"; readonly link: Link }
  | { readonly type: "message"; readonly message: Message }
  /** One connection cannot take this tab's rooms, too. */
  | { readonly type: "full" }
  | { readonly type: "ask token"; readonly isAnew: boolean };

/** With whom it is about: a tab by its id, and the connection by its key. */
export interface Letter<Content> {
  readonly tab: string;
  readonly key: string;
  readonly content: Content;
}

/** The name of all that tabs have in common: locks, channels, the worker. Raised when what they tell each other changes. */
export const NAME = "livekit-presence 3";

/** The lock that a tab holds for as long as it watches. Whoever gets it knows that the tab is gone. */
export const lifeOf = (tab: string): string => `${NAME} tab ${tab}`;

/** An id that no other has. Not `crypto.randomUUID`: Chrome before 92 has locks and not that. */
export const newId = (): string => crypto.getRandomValues(new Uint32Array(4)).join("-");
