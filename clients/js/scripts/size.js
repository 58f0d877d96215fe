// Prints what the package adds to a page, minified and gzipped, and fails if its core is more than was promised.

import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

import { bundle } from "./bundle.js";

const MOST_BYTES_OF_CORE = 3_072;

const source = (name) => fileURLToPath(new URL(`../src/${name}`, import.meta.url));
const sizeOf = async (name, external) => gzipSync(await bundle(source(name), { external }), { level: 9 }).length;

const core = await sizeOf("index.ts", ["share/feed"]);
const both = await sizeOf("index.ts", []);
const sizes = {
  "core": core,
  "sharing between tabs, besides": both - core,
  "its worker, loaded once for all tabs": await sizeOf("share/worker.ts", []),
  "react, besides": (await sizeOf("react/index.ts", ["react", "share/feed"])) - core,
};
for (const [what, bytes] of Object.entries(sizes)) console.log(`${String(bytes).padStart(6)} bytes gzipped: ${what}`);
if (core > MOST_BYTES_OF_CORE) {
  console.error(`the core is ${core} bytes, and at most ${MOST_BYTES_OF_CORE} were promised`);
  process.exitCode = 1;
}
