// What tabs have in common, simulated: locks and channels, in order, with virtual time. Shared workers there are none.

import { deserialize, serialize } from "node:v8";
import { vi } from "vitest";

type Hold = () => unknown;

const aborted = () => new DOMException("aborted", "AbortError");

/** Locks as browsers have them: one holder of each name, then the next who asked. */
class Locks {
  isDenied = false;
  readonly #waiting = new Map<string, Hold[]>();

  async request(name: string, ...[options, hold]: [{ signal?: AbortSignal }, Hold]): Promise<unknown> {
    if (this.isDenied) throw new DOMException("not here", "SecurityError");
    const { signal } = options;
    if (signal?.aborted) throw aborted();
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(name) ?? [];
      const take = async () => {
        signal?.removeEventListener("abort", giveUp);
        await Promise.resolve().then(hold).then(resolve, reject);
        queue.shift();
        if (queue.length > 0) void queue[0]!();
        else this.#waiting.delete(name);
      };
      const giveUp = () => {
        queue.splice(queue.indexOf(take), 1);
        reject(aborted());
      };
      this.#waiting.set(name, queue);
      if (queue.push(take) === 1) void take();
      else signal?.addEventListener("abort", giveUp);
    });
  }
}

/** Everybody on a channel hears what another says, in order. */
class Channel {
  static readonly open = new Set<Channel>();
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(readonly name: string) {
    Channel.open.add(this);
  }

  postMessage(message: unknown): void {
    const data: unknown = deserialize(serialize(message));
    for (const other of Channel.open) {
      if (other !== this && other.name === this.name)
        setTimeout(() => Channel.open.has(other) && other.onmessage?.({ data }));
    }
  }

  close(): void {
    Channel.open.delete(this);
  }
}

/** Lets each watch be that of a tab of its own. */
export function shareAmongTabs(): Locks {
  const locks = new Locks();
  Channel.open.clear();
  vi.stubGlobal("navigator", { locks });
  vi.stubGlobal("BroadcastChannel", Channel);
  return locks;
}
