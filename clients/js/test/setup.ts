// What every browser has, and Node.js 18 has under another name.

import { webcrypto } from "node:crypto";

// eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- The types are those of newer Node.js.
globalThis.crypto ??= webcrypto as Crypto;
