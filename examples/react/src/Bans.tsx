import type { Ban, Moderation } from "livekit-presence/react";
import { useState } from "react";

/** Who may not come in. It is asked for when it is opened. */
export function Bans({ moderation }: { readonly moderation: Moderation }) {
  const [bans, setBans] = useState<readonly Ban[] | null>(null);
  const load = () =>
    moderation.bans().then(setBans, () => {
      // `moderation.error` says why.
    });
  const lift = (identity: string) =>
    moderation.unban(identity).then(load, () => {
      // `moderation.error` says why.
    });
  return (
    <section aria-label="Banned">
      <button type="button" aria-expanded={bans !== null} onClick={() => (bans ? setBans(null) : void load())}>
        Banned
      </button>
      {bans?.length === 0 && <p className="note">Nobody</p>}
      <ul>
        {bans?.map(({ identity, until, reason }) => (
          <li key={identity} className="who">
            <span className="name">{identity}</span>
            <span className="note">{until ? `until ${new Date(until).toLocaleString()}` : "for ever"}</span>
            {reason && <span className="note">{reason}</span>}
            <button type="button" aria-label={`Let in again: ${identity}`} onClick={() => void lift(identity)}>
              Let in again
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
