"use client";

import { createContext, useContext, useEffect, useMemo, useRef, type ReactElement, type ReactNode } from "react";

import type { ServiceOptions } from "../types.js";
import { Presence } from "./presence.js";

/** The props of `<PresenceProvider>`. */
export interface PresenceProviderProps extends ServiceOptions {
  readonly children?: ReactNode;
}

const Given = createContext<Presence | null>(null);

/**
 * Lets all hooks below it share connections: one for the lists of up to 100 rooms, one for the numbers of up to 100, one for each
 * prefix of the list of rooms, and one for each filter of events. Each opens with the first component that wants it, and closes a
 * second after the last one is gone.
 *
 * A new `url`, `withCredentials`, `share`, `transport` or string as `token` reconnects. A new function as `token` is called the next
 * time that a token is needed, and a new `whenHidden` counts the next time that the page is hidden.
 */
export function PresenceProvider({
  url,
  token,
  withCredentials,
  share,
  transport,
  whenHidden,
  children,
}: PresenceProviderProps): ReactElement {
  if (useContext(Given)) {
    throw new Error("<PresenceProvider> is inside another one: keep the outer one, its connections serve all hooks");
  }
  const newest = useRef({ token, whenHidden });
  useEffect(() => {
    newest.current = { token, whenHidden };
  });
  const fixed = typeof token === "function" ? null : token;
  const presence = useMemo(() => {
    // If a string has replaced the function, this presence is about to end.
    const getNewest = () => {
      const now = newest.current.token;
      return typeof now === "function" ? now() : (now ?? "");
    };
    return new Presence({
      url,
      withCredentials,
      share,
      transport,
      token: fixed === null ? getNewest : fixed,
      get whenHidden() {
        return newest.current.whenHidden;
      },
    });
  }, [url, withCredentials, share, transport, fixed]);
  return <Given.Provider value={presence}>{children}</Given.Provider>;
}

/** What the nearest provider gives. Without a provider, the error names the hook `asker`. */
export function usePresence(asker: string): Presence {
  const presence = useContext(Given);
  if (!presence) throw new Error(`${asker} needs a <PresenceProvider> above the component that uses it`);
  return presence;
}
