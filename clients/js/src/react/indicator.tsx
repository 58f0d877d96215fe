"use client";

import { useState, type ReactElement } from "react";

import type { Status } from "../types.js";
import { useConnection } from "./connection.js";

/** The texts of a `<LiveIndicator>`. */
export interface LiveIndicatorLabels {
  readonly connecting: string;
  readonly live: string;
  readonly polling: string;
  readonly disconnected: string;
  readonly error: string;
  readonly reconnect: string;
  /** The text before the time in the tooltip. */
  readonly lastEvent: string;
}

/** The props of `<LiveIndicator>`. */
export interface LiveIndicatorProps {
  /** Translations. Texts that are left out are English. */
  readonly labels?: Partial<LiveIndicatorLabels> | undefined;
  /** Additional classes. */
  readonly className?: string | undefined;
}

const ENGLISH: LiveIndicatorLabels = {
  connecting: "CONNECTING",
  live: "LIVE",
  // Not LIVE: the lists are up to fifteen seconds late.
  polling: "POLLING",
  disconnected: "DISCONNECTED",
  error: "ERROR",
  reconnect: "Reconnect",
  lastEvent: "Last change:",
};

/**
 * Shows the status of the connection as a dot and a word, with a button to reconnect where that may help. Its styles are in
 * `livekit-presence/react/styles.css`.
 */
export function LiveIndicator({ labels, className }: LiveIndicatorProps): ReactElement {
  const { status, error, lastEventAt, reconnect } = useConnection();
  const isUp = status === "live" || status === "polling";
  const isDown = status === "error" || status === "disconnected";
  // The button stays until the connection is up, so that it does not lose the keyboard focus when it is pressed.
  const [wasDown, setWasDown] = useState(false);
  if (wasDown ? isUp : isDown) setWasDown(!wasDown);
  const words = { ...ENGLISH, ...labels };
  const lastEvent = lastEventAt === null ? "" : `${words.lastEvent} ${new Date(lastEventAt).toLocaleTimeString()}`;
  const tooltip = [error?.message, lastEvent].filter(Boolean).join("\n");
  return (
    <span className={`livekit-presence-indicator${className ? ` ${className}` : ""}`} data-status={shownAs(status)}>
      <span className="livekit-presence-status" role="status" aria-live="polite" title={tooltip || undefined}>
        <span className="livekit-presence-dot" aria-hidden="true" />
        {words[shownAs(status)]}
        {error?.message && <span className="livekit-presence-reason">{`: ${error.message}`}</span>}
      </span>
      {(isDown || (wasDown && !isUp)) && (
        <button type="button" className="livekit-presence-reconnect" onClick={reconnect}>
          {words.reconnect}
        </button>
      )}
    </span>
  );
}

/** A closed connection is shown as a disconnected one. */
function shownAs(status: Status): Exclude<Status, "closed"> {
  return status === "closed" ? "disconnected" : status;
}
