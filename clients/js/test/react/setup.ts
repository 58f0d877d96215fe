import { afterEach, beforeEach, expect, vi } from "vitest";

import { FakeService } from "./service.js";
import { unmountAll } from "./page.js";

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true);
  vi.spyOn(console, "error");
  vi.spyOn(console, "warn");
  FakeService.start();
});

/** Whatever a test did: once all is unmounted and a moment is over, nothing of it is left. */
afterEach(async () => {
  await unmountAll();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(FakeService.open, "streams left open").toEqual([]);
  expect(vi.getTimerCount(), "timers left").toBe(0);
  expect(FakeService.pageListeners, "listeners left on the page").toBe(0);
  expect(vi.mocked(console.error).mock.calls, "React's complaints").toEqual([]);
  expect(vi.mocked(console.warn).mock.calls, "warnings").toEqual([]);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
