// How the page writes times.

/** How long ago a time is, in a few letters. */
export function since(time) {
  const seconds = Math.max(0, (Date.now() - time) / 1_000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function clockTime(date = new Date()) {
  return date.toLocaleTimeString("en-GB");
}

/** A time with its day, if that is not the day of `now`. */
export function momentOf(time, now) {
  const date = new Date(time);
  if (date.toDateString() === new Date(now).toDateString()) return clockTime(date);
  return `${date.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, ${clockTime(date)}`;
}
