// The LiveKit access token that the page was opened with.

/**
 * The token, or null.
 *
 * It stands behind `#` in the address, a part that browsers never send. From there it moves into this tab's history entry, which
 * survives a reload. So it is out of sight, and not copied with the address.
 */
export const accessToken = (() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("access_token");
  if (token) history.replaceState({ token }, "", location.pathname + location.search);
  return history.state?.token ?? null;
})();
