// How often plain requests ask, where there is no stream.

const enum Factor {
  GROWTH = 1.2,
}

/** The interval between polls, in milliseconds. */
export const enum Interval {
  MIN = 5_000,
  MAX = 15_000,
}

/** The interval after a poll that brought nothing new. */
export function longerInterval(interval: number): number {
  return Math.min(interval * Factor.GROWTH, Interval.MAX);
}
