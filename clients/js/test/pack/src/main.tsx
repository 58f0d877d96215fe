import "livekit-presence/react/styles.css";

import { watchRoom, type Participant, type RoomSnapshot, type Watch } from "livekit-presence";
import { LiveIndicator, PresenceProvider, useParticipants, useRoomPresence, type Person } from "livekit-presence/react";
import { createRoot } from "react-dom/client";

const watch: Watch<RoomSnapshot> = watchRoom({ room: "general", url: "https://presence.example" });
export const first: Participant | undefined = watch.snapshot().participants[0];

function Room() {
  const { participants } = useParticipants("general");
  const people: readonly Person[] = useRoomPresence("general").participants;
  return (
    <p>
      {participants.length} {people.filter(({ isSpeaking }) => isSpeaking).length}
      <LiveIndicator />
    </p>
  );
}

createRoot(document.getElementById("root")!).render(
  <PresenceProvider token={async () => "token"}>
    <Room />
  </PresenceProvider>,
);
