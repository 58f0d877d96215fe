"use client";

import { createContext, useContext, useEffect, useMemo, useRef, type ReactElement, type ReactNode } from "react";

import type { ServiceOptions } from "../types.js";
import { Presence } from "./presence.js";

/** What `<PresenceProvider>` takes. */
export interface PresenceProviderProps extends ServiceOptions {
  readonly children?: ReactNode;
}

const Given = createContext<Presence | null>(null);

/**
 * Gives one connection, for up to 100 rooms, to all hooks below it. It is opened with the first component that shows a room, and
 * closed a second after the last one is gone. Another `url`, `withCredentials` or
 * string as `token` connects anew; another function
 * is used the next time that a token is needed, and another `whenHidden` the next time that the page is hidden.
 */
export function PresenceProvider({
  url,
  token,
  withCredentials,
  share,
  whenHidden,
  children,
}: PresenceProviderProps): ReactElement {
  if (useContext(Given)) {
    throw new Error("<PresenceProvider> is inside another one: keep the outer one, its connection serves all rooms");
  }
  const newest = useRef({ token, whenHidden });
  useEffect(() => {
    newest.current = { token, whenHidden };
  });
  const fixed = typeof token === "function" ? null : token;
  const presence = useMemo(() => {
    // A function, unless a string came after it and this presence is about to end.
    const getNewest = () => {
      const now = newest.current.token;
      return typeof now === "function" ? now() : (now ?? "");
    };
    return new Presence({
      url,
      withCredentials,
      share,
      token: fixed === null ? getNewest : fixed,
      get whenHidden() {
        return newest.current.whenHidden;
      },
    });
  }, [url, withCredentials, share, fixed]);
  return <Given.Provider value={presence}>{children}</Given.Provider>;
}

/** What the provider above gives. `asker` is the hook that needs it, for the error if there is none. */
export function usePresence(asker: string): Presence {
  const presence = useContext(Given);
  if (!presence) throw new Error(`${asker} needs a <PresenceProvider> above the component that uses it`);
  return presence;
}
