import { LiveIndicator, useRooms } from "livekit-presence/react";

import { useState, type FormEvent } from "react";

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
      <Open onChoice={onChoice} />
    </nav>
  );
}

/** Goes backstage of a channel that nobody is in yet. */
function Open({ onChoice }: Pick<SidebarProps, "onChoice">) {
  const [name, setName] = useState("");
  const open = (event: FormEvent) => {
    event.preventDefault();
    if (name.trim()) onChoice(name.trim());
    setName("");
  };
  return (
    <form className="open" onSubmit={open}>
      <label>
        Another one <input value={name} onChange={({ target }) => setName(target.value)} autoComplete="off" />
      </label>
      <button type="submit">Open</button>
    </form>
  );
}
