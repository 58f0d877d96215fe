import { LiveIndicator, useRooms } from "livekit-presence/react";

import { Channel } from "./Channel";

interface SidebarProps {
  readonly chosen: string | null;
  readonly onChoice: (channel: string) => void;
}

/** The channels, and who is in each of them. */
export function Sidebar({ chosen, onChoice }: SidebarProps) {
  const { rooms, error } = useRooms();
  return (
    <nav className="sidebar" aria-labelledby="channels">
      <header>
        <h1 id="channels">Voice channels</h1>
        <LiveIndicator />
      </header>
      {error && (
        <p className="note" role="alert">
          {error.message}
        </p>
      )}
      {rooms?.length === 0 && <p className="note">Nobody is in a channel.</p>}
      <ul>
        {/* One connection serves up to a hundred. */}
        {rooms?.slice(0, 100).map(({ name }) => (
          <Channel key={name} name={name} isChosen={name === chosen} onChoice={onChoice} />
        ))}
      </ul>
    </nav>
  );
}
