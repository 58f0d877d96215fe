import type { Moderation } from "livekit-presence/react";
import { useState, type FormEvent } from "react";

import { ROLES } from "./Backstage";

/** Puts somebody on the roster, by the identity that their token will have. */
export function Invite({ moderation }: { readonly moderation: Moderation }) {
  const [identity, setIdentity] = useState("");
  const [role, setRole] = useState<string>("speaker");
  const invite = (event: FormEvent) => {
    event.preventDefault();
    const invited = identity.trim();
    if (!invited) return;
    setIdentity("");
    // What was typed comes back if the service refuses; `moderation.error` says why.
    moderation.roster.put(invited, { role }).catch(() => setIdentity(invited));
  };
  return (
    <form className="invite" onSubmit={invite}>
      <label>
        Identity <input value={identity} onChange={({ target }) => setIdentity(target.value)} autoComplete="off" />
      </label>
      <label>
        Role{" "}
        <select value={role} onChange={({ target }) => setRole(target.value)}>
          {ROLES.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      <button type="submit">Invite</button>
    </form>
  );
}
