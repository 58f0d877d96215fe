// What the service's page has of this folder. `livekit-presence/react` has the same, as a component.

export { followAttendance } from "./feed.js";
export { CHART, timelineOf } from "./layout.js";
export { durationOf } from "./words.js";

import { credentialsFrom } from "../service.js";

/** Where the rows of a room come from, for a page that has one token. */
export const sourceOf = (url: string, token: string | undefined, room: string) => ({
  url: url.replace(/\/+$/, ""),
  credentials: credentialsFrom(token, undefined),
  room,
});
