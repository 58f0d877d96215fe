// Whether a connection is tried again after a failure, and when.

const enum Millis {
  MIN_BACKOFF = 1_000,
  MAX_BACKOFF = 30_000,
}

/** Whether the service would refuse the same request again. */
export function isFinal(status: number): boolean {
  return [400, 401, 403].includes(status);
}

/** How long to wait after this many failures in a row, in milliseconds: random, up to a time that doubles (full jitter). */
export function backoff(failures: number): number {
  return Math.random() * Math.min(Millis.MIN_BACKOFF * 2 ** failures, Millis.MAX_BACKOFF);
}
