import { expect, test, vi } from "vitest";

import { PendingChanges } from "../../src/react/pending.js";

interface Item {
  readonly identity: string;
  readonly on: boolean;
  readonly version?: number;
}

const item = (identity: string, on = false, version?: number): Item =>
  version === undefined ? { identity, on } : { identity, on, version };
const turn = (on: boolean) => (one: Item | undefined) => one && { ...one, on };
/** What a service with versions answers. */
const made = (on: boolean, version: number) => (one: Item | undefined) =>
  !one || one.version! >= version ? one : { ...one, on, version };

function changes(waits = 5_000) {
  const onChange = vi.fn();
  const byIdentity = (a: Item, b: Item) => (a.identity < b.identity ? -1 : 1);
  return { onChange, changes: new PendingChanges<Item>(onChange, () => waits, byIdentity) };
}
const on = (list: readonly Item[]) => list.filter((one) => one.on).map(({ identity }) => identity);

test("without a change the list of the service is shown as it is", () => {
  const { changes: none } = changes();
  const list = [item("a")];
  expect(none.over(list)).toBe(list);
});

test("a change is laid over at once, and over later lists that do not have it", () => {
  const { changes: over, onChange } = changes();
  const [a, b] = [item("a"), item("b")];
  over.over([a, b]);
  over.add({ identity: "b", apply: turn(true) });
  expect(onChange).toHaveBeenCalledTimes(1);
  const list = [a, b];
  const shown = over.over(list);
  expect(on(shown)).toEqual(["b"]);
  expect(shown[0], "who does not change is the same object").toBe(a);
  expect(over.over(list), "and so is the list, until something changes").toBe(shown);
  const later = over.over([a, b, item("c")]);
  expect(on(later)).toEqual(["b"]);
  expect(later[1], "and who is changed").toBe(shown[1]);
  over.forget();
});

test("a refused change is taken back", () => {
  const { changes: over } = changes();
  const list = [item("a")];
  over.over(list);
  over.add({ identity: "a", apply: turn(true) }).drop();
  expect(over.over(list)).toBe(list);
});

test("a change that was made stays until the service shows it, however many older lists come", () => {
  const { changes: over } = changes();
  over.over([item("a")]);
  over.add({ identity: "a", apply: turn(true) }).settle();
  expect(on(over.over([item("a")]))).toEqual(["a"]);
  expect(on(over.over([item("a"), item("z")]))).toEqual(["a"]);
  expect(on(over.over([item("a", true)]))).toEqual(["a"]);
  // From now on the service counts.
  expect(on(over.over([item("a")]))).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test("a change that the service shows before it answers is not seen twice", () => {
  const { changes: over } = changes();
  over.over([item("a")]);
  const laid = over.add({ identity: "a", apply: turn(true) });
  over.over([item("a", true)]);
  // Somebody has turned it off again meanwhile, and the answer was slow.
  over.over([item("a", false)]);
  laid.settle();
  expect(on(over.over([item("a", false)]))).toEqual([]);
});

test("a change that is never shown does not count for ever", () => {
  const { changes: over, onChange } = changes();
  const list = [item("a")];
  over.over(list);
  over.add({ identity: "a", apply: turn(true) }).settle();
  vi.advanceTimersByTime(4_999);
  expect(on(over.over(list))).toEqual(["a"]);
  onChange.mockClear();
  vi.advanceTimersByTime(1);
  expect(onChange).toHaveBeenCalledTimes(1);
  expect(over.over(list)).toBe(list);
});

test("on and off at once: an old list looks like the last change, and is not taken for it", () => {
  const { changes: over } = changes();
  over.over([item("a")]);
  over.add({ identity: "a", apply: turn(true) }).settle();
  const off = over.add({ identity: "a", apply: turn(false) });
  over.over([item("a", false), item("z")]);
  off.settle();
  // The first change arrives late.
  expect(on(over.over([item("a", true)]))).toEqual([]);
  expect(on(over.over([item("a", false)]))).toEqual([]);
  expect(on(over.over([item("a", true)])), "somebody else has turned it on").toEqual(["a"]);
});

test("where items have versions these count, and not how an item looks", () => {
  const { changes: over } = changes();
  over.over([item("a", false, 1)]);
  const laid = over.add({ identity: "a", apply: turn(false) });
  laid.settle(made(false, 3));
  // Version 2 is somebody else's, from before.
  expect(on(over.over([item("a", true, 2)]))).toEqual([]);
  expect(on(over.over([item("a", false, 3)]))).toEqual([]);
  expect(on(over.over([item("a", true, 4)]))).toEqual(["a"]);
  expect(vi.getTimerCount()).toBe(0);
});

test("what the service made of a change is what shows", () => {
  const { changes: over } = changes();
  over.over([item("a", false, 1)]);
  const laid = over.add({ identity: "a", apply: turn(true) });
  laid.settle(made(false, 2));
  expect(over.over([item("a", false, 1)])).toEqual([item("a", false, 2)]);
  over.forget();
});

test("somebody is added in their place, and taken away", () => {
  const { changes: over } = changes();
  const list = [item("a"), item("c")];
  over.over(list);
  const added = over.add({ identity: "b", apply: (one) => one ?? item("b") });
  const gone = over.add({ identity: "a", apply: () => undefined });
  expect(over.over(list).map(({ identity }) => identity)).toEqual(["b", "c"]);
  added.drop();
  gone.settle();
  expect(over.over(list).map(({ identity }) => identity)).toEqual(["c"]);
  over.over([item("c")]);
  expect(over.over(list), "who comes back is there").toBe(list);
});

test("nothing is left of what is forgotten", () => {
  const { changes: over, onChange } = changes();
  const list = [item("a")];
  over.over(list);
  const laid = over.add({ identity: "a", apply: turn(true) });
  over.add({ identity: "a", apply: turn(true) }).settle();
  over.forget();
  onChange.mockClear();
  laid.settle();
  laid.drop();
  expect(over.over(list)).toBe(list);
  expect([vi.getTimerCount(), onChange.mock.calls.length]).toEqual([0, 0]);
});
