// Prints what the package adds to a page, minified and gzipped, and fails if a part of it, or the service's page, is more than was
// promised.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { fileURLToPath } from "node:url";

import { bundle } from "./bundle.js";

/** What was promised of what a page loads that shows a room, without what only sharing and WebSocket need. */
const MOST_BYTES_OF_CORE = 3_072;
const MOST_BYTES_OF_QUERIES = 1_024;
const MOST_BYTES_OF_MODERATION = 2_688;
/** Of an adapter to a framework, besides what it watches with. */
const MOST_BYTES_OF_ADAPTER = 1_024;
const MOST_BYTES_OF_PAGE = 60_000;

/** As it is published, and so as it is in what others build. */
const built = (name) => fileURLToPath(new URL(`../dist/${name}`, import.meta.url));
const gzipped = (text) => gzipSync(text, { level: 9 }).length;
const sizeOf = async (name, external) => gzipped(await bundle(built(name), { external }));

/** What only some pages load, or load later. */
const LATER = ["share/feed", "connection/websocket"];
const page = async (names, external = LATER) =>
  gzipped(await bundle(`export { ${names} } from ${JSON.stringify(built("index.js"))};`, { external, isText: true }));

const core = await page("watchRoom");
/** Of `livekit-presence/react`, what only pages with a timeline load. */
const TIMELINE = ["./attendance", "./timeline"];
/** And what only pages with a roster or a moderator load. */
const MODERATION = ["/moderat", "./roster", "./participant-list", "./optimistic"];
const react = await sizeOf("react/index.js", ["react", ...LATER, ...TIMELINE, ...MODERATION]);
/** Of `livekit-presence/moderate`, without the connection that `watchRoom` has too. */
const moderation = await sizeOf("moderate/index.js", [
  "../connection",
  "../events",
  "../service",
  "../shown",
  "../watch",
]);
const queries = await sizeOf("query/index.js", ["events"]);
const WATCHES = ["../events", "../room.js", "../room-list"];
const vue = await sizeOf("vue/index.js", ["vue", ...WATCHES]);
const svelte = await sizeOf("svelte/index.js", WATCHES);
/** The service's page, with all that it loads; nothing where the package is alone. */
const PAGE = new URL("../../../web/page/", import.meta.url);
const NOT_LOADED = ["livekit-presence.js", "uplot-license.txt"];
const pageFiles = existsSync(PAGE)
  ? readdirSync(new URL("built/", PAGE)).filter((name) => !NOT_LOADED.includes(name))
  : [];
const pageSize = ["index.html", ...pageFiles.map((name) => `built/${name}`)]
  .map((name) => (existsSync(PAGE) ? gzipped(readFileSync(new URL(name, PAGE))) : 0))
  .reduce((all, one) => all + one);
const sizes = {
  "core: watchRoom": core,
  "watchRooms, besides": (await page("watchRoom, watchRooms")) - core,
  "watchRoomList, besides": (await page("watchRoom, watchRoomList")) - core,
  "watchEvents, besides": (await page("watchRoom, watchEvents")) - core,
  "WebSocket, loaded where it is used": await sizeOf("connection/websocket.js", []),
  "sharing between tabs, besides": (await page("watchRoom", ["connection/websocket"])) - core,
  "its worker, loaded once for all tabs": await sizeOf("share/worker.js", []),
  "react, besides": react - core,
  "its timeline, besides": (await sizeOf("react/index.js", ["react", ...LATER, ...MODERATION])) - react,
  "its moderation, besides": (await sizeOf("react/index.js", ["react", ...LATER, ...TIMELINE])) - react,
  "the adapter for TanStack Query, besides watchEvents": queries,
  "moderation, besides watchRoom": moderation,
  "the adapter for Vue, besides what it watches with": vue,
  "the adapter for Svelte, besides what it watches with": svelte,
  "the service's page, with all that it loads": pageSize,
};
for (const [what, bytes] of Object.entries(sizes)) console.log(`${String(bytes).padStart(6)} bytes gzipped: ${what}`);
const check = (what, size, most) => {
  if (size <= most) return;
  console.error(`${what} is ${size} bytes, and at most ${most} were promised`);
  process.exitCode = 1;
};
check("the core", core, MOST_BYTES_OF_CORE);
check("the adapter for TanStack Query", queries, MOST_BYTES_OF_QUERIES);
check("the adapter for Vue", vue, MOST_BYTES_OF_ADAPTER);
check("the adapter for Svelte", svelte, MOST_BYTES_OF_ADAPTER);
check("moderation", moderation, MOST_BYTES_OF_MODERATION);
check("the service's page", pageSize, MOST_BYTES_OF_PAGE);
