// How a timeline writes times and durations.

/** A time of the day in the browser's own way, to the minute or to the second. */
export function clockTime(time: number, isToSecond = false): string {
  const digits = "2-digit";
  const parts: Intl.DateTimeFormatOptions = { hour: digits, minute: digits };
  return new Date(time).toLocaleTimeString([], isToSecond ? { ...parts, second: digits } : parts);
}

/** A time with its day, if that is not today. */
export function momentOf(time: number, now: number): string {
  const isToday = new Date(time).toDateString() === new Date(now).toDateString();
  if (isToday) return clockTime(time, true);
  return `${new Date(time).toLocaleDateString([], { month: "short", day: "numeric" })}, ${clockTime(time, true)}`;
}

/** As `45 s`, `12 min` or `3 h 05 min`. */
export function durationOf(millis: number): string {
  const minutes = Math.floor(millis / 60_000);
  if (minutes < 1) return `${Math.floor(millis / 1_000)} s`;
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}
