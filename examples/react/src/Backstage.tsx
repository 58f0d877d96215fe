import "./backstage.css";

import { useModeration, useRoomPresence, type Person, type RosterEntry } from "livekit-presence/react";

import { Bans } from "./Bans";
import { Column, type Seat } from "./Column";
import { Invite } from "./Invite";
import { moderatorToken } from "./token";

/** The roles of the service, as `roles.grants` has them if nobody has changed it. */
export const ROLES = ["host", "speaker", "viewer"] as const;
export type Role = (typeof ROLES)[number];

const TITLES: Readonly<Record<Role, string>> = { host: "Hosts", speaker: "Speakers", viewer: "Viewers" };

/** Who is on a stage, who may come, and what a moderator does about it. */
export function Backstage({ room }: { readonly room: string }) {
  // In the call, pass its livekit-client `Room` too, to see who speaks.
  const { participants, absent, onlineCount, totalCount } = useRoomPresence(room, null, { roster: true });
  const moderation = useModeration(room, { token: () => moderatorToken(room) });
  const { canModerate, error, dismiss, muteAll } = moderation;
  const seats = seatsOf(participants, absent);
  const hosts = seats.filter(({ role }) => role === "host").map(({ identity }) => identity);
  return (
    <section className="backstage" aria-labelledby="backstage">
      <header>
        <h1 id="backstage">Backstage of {room}</h1>
        {totalCount !== null && <p className="note">{`${onlineCount} of ${totalCount} are here`}</p>}
        {canModerate && (
          <button type="button" onClick={() => void muteAll({ except: hosts })}>
            Mute all but the hosts
          </button>
        )}
      </header>
      <div role="alert">
        {error && (
          <p className="refusal">
            {error.detail}{" "}
            <button type="button" onClick={dismiss}>
              Dismiss
            </button>
          </p>
        )}
      </div>
      {canModerate ? (
        <Invite moderation={moderation} />
      ) : (
        <p className="note">You see who is here. A moderator’s token lets you change it.</p>
      )}
      <div className="columns">
        {ROLES.map((role) => (
          <Column
            key={role}
            title={TITLES[role]}
            seats={seats.filter((seat) => seat.role === role)}
            moderation={canModerate ? moderation : null}
          />
        ))}
      </div>
      {canModerate && <Bans moderation={moderation} />}
    </section>
  );
}

/** Those who are inside first, in the order of their arrival; then those who are invited or have left. */
function seatsOf(people: readonly Person[], absent: readonly RosterEntry[]): Seat[] {
  const inside = people.map((person) => ({
    identity: person.identity,
    name: person.name || person.identity,
    role: roleOf(person.roster),
    person,
    entry: person.roster,
  }));
  const others = absent.map((entry) => ({
    identity: entry.identity,
    name: entry.name || entry.identity,
    role: roleOf(entry),
    entry,
  }));
  return [...inside, ...others];
}

/** Roles that this app does not know are shown as viewers. */
function roleOf(entry: RosterEntry | undefined): Role {
  return ROLES.find((role) => role === entry?.role) ?? "viewer";
}
