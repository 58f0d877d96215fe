import { useRoomPresence, type Person } from "livekit-presence/react";
import { memo } from "react";

import { Camera, Microphone, MutedMicrophone, Screen } from "./icons";

interface ChannelProps {
  readonly name: string;
  readonly isChosen: boolean;
  readonly onChoice: (channel: string) => void;
}

/** One channel. When a channel changes, only that one renders again. */
export function Channel({ name, isChosen, onChoice }: ChannelProps) {
  // In a call, pass its livekit-client `Room` too, to see who speaks.
  const { participants } = useRoomPresence(name);
  return (
    <li>
      <h2>
        <button type="button" className="name" aria-pressed={isChosen} onClick={() => onChoice(name)}>
          {name}
        </button>
        <span className="count" aria-label={`${participants.length} inside`}>
          {participants.length}
        </span>
      </h2>
      <ul aria-label={`In ${name}`}>
        {participants.map((person) => (
          <Inside key={person.identity} person={person} />
        ))}
      </ul>
    </li>
  );
}

/** A participant who did not change is the same object, and does not render again. */
const Inside = memo(function Inside({ person }: { person: Person }) {
  const name = person.name || person.identity;
  return (
    <li className="person" data-speaking={person.isSpeaking || undefined}>
      <span className="avatar" aria-hidden="true">
        {[...name][0]?.toUpperCase()}
      </span>
      <span className="name">{name}</span>
      {person.isScreenShareOn && <Screen />}
      {person.isCameraOn && <Camera />}
      {person.isMicrophoneOn ? <Microphone /> : <MutedMicrophone />}
    </li>
  );
});
