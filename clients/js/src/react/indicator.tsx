"use client";

import { useState, type ReactElement } from "react";

import type { Status } from "../types.js";
import { useConnection } from "./connection.js";

/** The words of a `<LiveIndicator>`. */
export interface LiveIndicatorLabels {
  readonly connecting: string;
  readonly live: string;
  readonly polling: string;
  readonly disconnected: string;
  readonly error: string;
  readonly reconnect: string;
  /** Stands before the time in the tooltip. */
  readonly lastEvent: string;
}

/** What `<LiveIndicator>` takes. */
export interface LiveIndicatorProps {
  /** A translation. What it leaves out is English. */
  readonly labels?: Partial<LiveIndicatorLabels> | undefined;
  /** Further classes. */
  readonly className?: string | undefined;
}

const ENGLISH: LiveIndicatorLabels = {
  connecting: "CONNECTING",
  live: "LIVE",
  // Not LIVE: what is shown is right, but up to fifteen seconds late.
  polling: "POLLING",
  disconnected: "DISCONNECTED",
  error: "ERROR",
  reconnect: "Reconnect",
  lastEvent: "Last change:",
};

/**
 * A dot and a word for the status of the connection, with a button to connect anew where that may help. Its looks are in
 * `livekit-presence/react/styles.css`.
 */
export function LiveIndicator({ labels, className }: LiveIndicatorProps): ReactElement {
  const { status, error, lastEventAt, reconnect } = useConnection();
  const isUp = status === "live" || status === "polling";
  const isDown = status === "error" || status === "disconnected";
  // The button stays until it has helped: whoever pressed it keeps the focus.
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

/** Nothing comes of what is closed either. */
function shownAs(status: Status): Exclude<Status, "closed"> {
  return status === "closed" ? "disconnected" : status;
}
