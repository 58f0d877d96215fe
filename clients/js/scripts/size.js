// Prints what the package adds to a page, minified and gzipped, and fails if its core is more than was promised.

import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

import { bundle } from "./bundle.js";

/**
 * A little more than 3 KiB: `whenHidden` and the message about a replaced stream cost about 160 bytes, `withCredentials` 40, and
 * showing the earlier list of a service that lost a later one 20.
 */
const MOST_BYTES_OF_CORE = 3_315;

/** As it is published, and so as it is in what others build. */
const built = (name) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
const sizeOf = async (name, external) => gzipSync(await bundle(built(name), { external }), { level: 9 }).length;

const core = await sizeOf("index.js", ["share/feed"]);
const both = await sizeOf("index.js", []);
const sizes = {
  core: core,
  "sharing between tabs, besides": both - core,
  "its worker, loaded once for all tabs": await sizeOf("share/worker.js", []),
  "react, besides": (await sizeOf("react/index.js", ["react", "share/feed"])) - core,
};
for (const [what, bytes] of Object.entries(sizes)) console.log(`${String(bytes).padStart(6)} bytes gzipped: ${what}`);
if (core > MOST_BYTES_OF_CORE) {
  console.error(`the core is ${core} bytes, and at most ${MOST_BYTES_OF_CORE} were promised`);
  process.exitCode = 1;
}
