// The LiveKit access token that the page was opened with.

/**
 * The token, or null.
 *
 * It comes behind `#`, which no browser sends to anybody. From there it moves into this tab's history entry, which
 * outlasts a reload: out of sight, and not passed on with the address.
 */
export const accessToken = (() => {
  const token = new URLSearchParams(location.hash.slice(1)).get("access_token");
  if (token) history.replaceState({ token }, "", location.pathname + location.search);
  return history.state?.token ?? null;
})();
