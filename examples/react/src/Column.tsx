import type { Moderation, Person, RosterEntry } from "livekit-presence/react";
import { useState } from "react";

import { ROLES, type Role } from "./Backstage";
import { Camera, Microphone, MutedMicrophone, Screen } from "./icons";

/** Somebody who is on the stage, or expected there. */
export interface Seat {
  readonly identity: string;
  readonly name: string;
  readonly role: Role;
  /** Left out for somebody who is not inside. */
  readonly person?: Person;
  /** Left out where the service keeps no roster. */
  readonly entry?: RosterEntry | undefined;
}

interface ColumnProps {
  readonly title: string;
  readonly seats: readonly Seat[];
  /** Null for those who do not moderate. */
  readonly moderation: Moderation | null;
}

export function Column({ title, seats, moderation }: ColumnProps) {
  return (
    <section className="column" aria-label={title}>
      <h2>
        {title} <span className="count">{seats.length}</span>
      </h2>
      <ul>
        {seats.map((seat) => (
          <li key={seat.identity} className="seat" data-absent={!seat.person || undefined}>
            <Who seat={seat} />
            {moderation && <Actions seat={seat} moderation={moderation} />}
          </li>
        ))}
      </ul>
      {seats.length === 0 && <p className="note">Nobody</p>}
    </section>
  );
}

const STATUSES = { INVITED: "invited", JOINED: "here", LEFT: "has left" } as const;

function Who({ seat: { name, person, entry } }: { readonly seat: Seat }) {
  return (
    <p className="who" data-speaking={person?.isSpeaking || undefined}>
      <span className="name">{name}</span>
      {!person && entry && <span className="note">{STATUSES[entry.status]}</span>}
      {person && entry && !entry.invited && <span className="note">uninvited</span>}
      {person && person.connectionQuality === "poor" && <span className="note">poor connection</span>}
      {person?.isScreenShareOn && <Screen />}
      {person?.isCameraOn && <Camera />}
      {person && (person.isMicrophoneOn ? <Microphone /> : <MutedMicrophone />)}
    </p>
  );
}

interface ActionsProps {
  readonly seat: Seat;
  readonly moderation: Moderation;
}

/** What the moderator may do. The promises are left alone: `moderation.error` says why one failed. */
function Actions({ seat, moderation }: ActionsProps) {
  const [isAsking, setIsAsking] = useState(false);
  const { identity, name, person, entry, role } = seat;
  const open = person?.tracks.filter(({ source, muted }) => source === "MICROPHONE" && !muted) ?? [];
  const move = (to: Role | undefined) => to && void moderation.update(identity, { role: to });
  const [higher, lower] = [ROLES[ROLES.indexOf(role) - 1], ROLES[ROLES.indexOf(role) + 1]];
  const ban = () => {
    setIsAsking(false);
    void moderation.ban(identity);
  };
  return (
    <div className="actions" role="group" aria-label={`Moderate ${name}`}>
      {open.length > 0 && (
        <button type="button" onClick={() => open.forEach(({ sid }) => void moderation.mute(identity, sid))}>
          Mute
        </button>
      )}
      {entry && higher && (
        <button type="button" onClick={() => move(higher)}>
          {`Make ${higher}`}
        </button>
      )}
      {entry && lower && (
        <button type="button" onClick={() => move(lower)}>
          {`Make ${lower}`}
        </button>
      )}
      {person ? (
        <button type="button" onClick={() => void moderation.remove(identity)}>
          Remove
        </button>
      ) : (
        <button type="button" onClick={() => void moderation.roster.delete(identity)}>
          Forget
        </button>
      )}
      {isAsking ? (
        <>
          <button type="button" onClick={ban}>
            {`Yes, ban ${name} for ever`}
          </button>
          <button type="button" onClick={() => setIsAsking(false)}>
            Cancel
          </button>
        </>
      ) : (
        <button type="button" onClick={() => setIsAsking(true)}>
          Ban…
        </button>
      )}
    </div>
  );
}
