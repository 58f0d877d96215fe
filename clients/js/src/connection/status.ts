// The state of a connection: its status, why it is not up, and when something last changed.

import type { Link, PresenceError, Status } from "../types.js";

/** A tuple, since minifiers shorten the names of its items, but not the fields of an object. */
export type StatusParts = readonly [
  link: () => Link,
  is: (status: Status) => boolean,
  /** Does nothing once the status is `closed`. */
  setStatus: (status: Status, error?: PresenceError | null) => void,
  noteChange: () => void,
];

/** Begins as `connecting`. Calls `onChange` after each change of the link. */
export function newStatus(onChange: () => void): StatusParts {
  let link: Link = { status: "connecting", error: null, lastEventAt: null };
  const is = (status: Status) => link.status === status;
  return [
    () => link,
    is,
    (status, error = null) => {
      if (is("closed") || (is(status) && link.error?.message === error?.message)) return;
      link = { ...link, status, error };
      onChange();
    },
    () => {
      link = { ...link, lastEventAt: Date.now() };
      onChange();
    },
  ];
}
