// What the oldest engines that the package is for have, and those of React Native: nothing of what came later.

import "./setup.js";

// What the language has got since (`at`, `hasOwn`, …) the test runner needs itself; there the compiler knows of nothing later
// than the `lib` of tsconfig.json.
const LATER: [owner: object, names: string[]][] = [
  [AbortSignal, ["timeout", "any", "abort"]],
  [AbortSignal.prototype, ["throwIfAborted"]],
  [crypto, ["randomUUID"]],
  [Object.getPrototypeOf(crypto), ["randomUUID"]],
  [Promise, ["withResolvers", "try"]],
  [globalThis, ["structuredClone", "reportError", "requestIdleCallback", "scheduler"]],
];
for (const [owner, names] of LATER) for (const name of names) Reflect.deleteProperty(owner, name);

/** As React Native had it until lately: of pairs it makes `0=room,general`, and no other method of it works. */
class URLSearchParams {
  readonly #pairs: [string, string][] = [];

  constructor(params?: object) {
    for (const [key, value] of Object.entries(params ?? {})) this.append(key, String(value));
  }

  append(key: string, value: string): void {
    this.#pairs.push([key, value]);
  }

  toString(): string {
    return this.#pairs
      .map((pair) => pair.map(encodeURIComponent).join("="))
      .join("&")
      .replace(/%20/g, "+");
  }
}
Object.assign(globalThis, { URLSearchParams });
