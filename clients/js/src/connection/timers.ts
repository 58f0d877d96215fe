// The timers of a connection. There is at most one of each kind.

/** An enum of constants costs nothing in what browsers load. */
export const enum Timer {
  /** Opens the stream again. */
  RETRY,
  /** Gives up a stream that is silent. */
  WATCHDOG,
  /** Asks for the lists again; while a token is awaited, gives up on it. */
  POLL,
  /** Opens the stream again with the next token. */
  RENEWAL,
  /** Suspends the connection of a hidden page. */
  SLEEP,
}

const enum Millis {
  /** `setTimeout` fires at once if its delay is above 2^31 - 1 milliseconds. */
  MAX_TIMER = 86_400_000,
}

/** Stops a timer, and starts it again if a finite delay is given. */
export type Schedule = (timer: Timer, millis?: number, act?: () => void) => void;

export function newTimers(): Schedule {
  const running: ReturnType<typeof setTimeout>[] = [];
  return (timer, millis, act) => {
    clearTimeout(running[timer]);
    if (millis! < Infinity) running[timer] = setTimeout(act!, Math.min(millis!, Millis.MAX_TIMER));
  };
}
