// Random life of a moderator: clicks, refusals, slow answers, slow lists, and sometimes others who moderate too.

import { expect, test, vi } from "vitest";

import { PendingChanges } from "../../src/react/pending.js";

interface Item {
  readonly identity: string;
  readonly on: boolean;
  readonly version: number;
}

/** Numbers from 0 to 1, the same for a seed (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface World {
  readonly seed: number;
  /** Whether answers have versions, as those of the roster do. */
  readonly isVersioned: boolean;
  readonly hasOthers: boolean;
}

/** Lives through it, and returns what was shown at each moment beside what had been clicked and not refused. */
async function live({ seed, isVersioned, hasOthers }: World) {
  const random = numbers(seed);
  let held: Item = { identity: "a", on: false, version: 1 };
  let list: readonly Item[] = [held];
  const changes = new PendingChanges<Item>(
    () => note(),
    () => 60_000,
    () => 0,
  );
  const clicks: { on: boolean; isRefused: boolean }[] = [];
  const moments: { shown: boolean; clicked: boolean }[] = [];
  const note = () => {
    const shown = changes.over(list)[0]!.on;
    const clicked = clicks.filter(({ isRefused }) => !isRefused).at(-1)?.on ?? false;
    moments.push({ shown, clicked });
  };
  /** Lists arrive in order. */
  let arrivesAt = 0;
  const write = (on: boolean) => {
    if (held.on !== on) held = { ...held, on, version: held.version + 1 };
    const sent = held;
    arrivesAt = Math.max(arrivesAt, Date.now() + random() * 300);
    setTimeout(() => {
      list = [sent];
      note();
    }, arrivesAt - Date.now());
  };
  const wait = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis));
  let turn: Promise<unknown> = Promise.resolve();
  const click = (on: boolean) => {
    const own = { on, isRefused: false };
    clicks.push(own);
    const laid = changes.add({ identity: "a", apply: (item) => item && { ...item, on } });
    turn = turn.then(async () => {
      await wait(random() * 100);
      const isRefused = random() < 0.2;
      if (!isRefused) write(on);
      const { version } = held;
      await wait(random() * 200);
      own.isRefused = isRefused;
      if (isRefused) return laid.drop();
      laid.settle(
        isVersioned ? (item) => (!item || item.version >= version ? item : { ...item, on, version }) : undefined,
      );
    });
  };
  for (let step = 0; step < 40; step += 1) {
    if (random() < 0.5) click(random() < 0.5);
    if (hasOthers && random() < 0.3) write(random() < 0.5);
    await vi.advanceTimersByTimeAsync(random() * 150);
  }
  await vi.advanceTimersByTimeAsync(70_000);
  return { moments, shown: changes.over(list)[0]!, held };
}

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

for (const isVersioned of [true, false]) {
  const of = isVersioned ? "with versions" : "without versions";

  test(`what was clicked last and not refused is what shows, at every moment (${of})`, async () => {
    for (const seed of SEEDS) {
      const { moments, shown, held } = await live({ seed, isVersioned, hasOthers: false });
      const wrong = moments.findIndex((moment) => moment.shown !== moment.clicked);
      expect(wrong, `seed ${seed}: ${JSON.stringify(moments[wrong])}`).toBe(-1);
      expect(shown, `seed ${seed}`).toEqual(held);
      expect(vi.getTimerCount(), `seed ${seed}: changes that still wait`).toBe(0);
    }
  });

  test(`whoever else moderates, what the service holds is what shows in the end (${of})`, async () => {
    for (const seed of SEEDS) {
      const { shown, held } = await live({ seed, isVersioned, hasOthers: true });
      expect(shown, `seed ${seed}`).toEqual(held);
      expect(vi.getTimerCount(), `seed ${seed}: changes that still wait`).toBe(0);
    }
  });
}
