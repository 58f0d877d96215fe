// Times as the page writes them. Ages go by the service's clock, so that a wrong clock here does not show.

let serviceIsAhead = 0;

/** Called with what the service's clock says now. */
export function setServiceClock(time) {
  serviceIsAhead = time - Date.now();
}

/** How long ago that was, in as few letters as will do. */
export function since(time) {
  const seconds = Math.max(0, (Date.now() + serviceIsAhead - time) / 1_000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds / 5) * 5} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

export function clockTime(date = new Date()) {
  return date.toLocaleTimeString("en-GB");
}
