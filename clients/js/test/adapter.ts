// What the tests of both adapters need: the simulated service, with virtual time.

import { afterEach, beforeEach, vi } from "vitest";

import { Service } from "./service.js";

export const url = "https://presence.example.com";

/** The service of this test. */
export let service: Service;

export const pass = (millis: number): Promise<unknown> => vi.advanceTimersByTimeAsync(millis);

/** The rooms of the streams that are open. */
export const watched = (): string[] =>
  [...service.sources].filter(({ readyState }) => readyState !== 2).map(({ address }) => address.search);

export function withService(): void {
  const page = document;
  beforeEach(() => {
    vi.useFakeTimers();
    vi.spyOn(console, "warn");
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    service = new Service();
    // Frameworks need a document that can do more.
    vi.stubGlobal("document", page);
  });
  afterEach(() => {
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
}
