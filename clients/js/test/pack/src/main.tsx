import "livekit-presence/react/styles.css";

import {
  watchEvents,
  watchRoom,
  watchRooms,
  type Counts,
  type Participant,
  type RoomSnapshot,
  type Watch,
} from "livekit-presence";
import { moderate, watchRoster, type ModerationError, type RosterEntry } from "livekit-presence/moderate";
import { connectQueries } from "livekit-presence/query";
import {
  AttendanceTimeline,
  LiveIndicator,
  ParticipantList,
  PresenceProvider,
  useAttendance,
  useEvents,
  useModeration,
  useParticipants,
  useRoomCount,
  useRoomPresence,
  useRooms,
  useRoster,
  type Attendee,
  type Person,
} from "livekit-presence/react";
import { createRoot } from "react-dom/client";

const watch: Watch<RoomSnapshot> = watchRoom({ room: "general", url: "https://presence.example" });
export const first: Participant | undefined = watch.snapshot().participants[0];

const counts = watchRooms({ rooms: ["general"], view: "count", transport: "websocket" });
export const numbers: Counts | undefined = counts.snapshot().rooms.get("general")?.counts;
export const events = watchEvents({ filter: { prefix: "team-" }, onEvent: ({ data }) => console.log(data.room?.name) });
export const queries = connectQueries(
  {
    invalidateQueries: async () => {},
    cancelQueries: async () => {},
    isFetching: () => 0,
    getQueryData: () => undefined,
    setQueryData: () => undefined,
  },
  { mode: "write" },
);

const stage = moderate({ room: "stage", token: async () => "token" });
export const promoted: Promise<RosterEntry | undefined> = stage
  .update("anouk", { role: "speaker" })
  .then(({ entry }) => entry);
promoted.catch((error: ModerationError) => console.log(error.detail));
export const roster: readonly RosterEntry[] = watchRoster({ room: "stage" }).snapshot().entries;

function Room() {
  const { rooms } = useRooms({ prefix: "team-" });
  const { counts } = useRoomCount("general");
  useEvents({ onEvent: ({ event }) => console.log(event) });
  const { participants } = useParticipants("general");
  const people: readonly Person[] = useRoomPresence("general").participants;
  const past: readonly Attendee[] = useAttendance("general", "day").people;
  const { error, mute } = useModeration("stage");
  const { totalCount } = useRoster("stage");
  return (
    <p onClick={() => void mute("anouk", "TR_1")}>
      {error?.detail} {totalCount}
      {rooms?.length} {counts?.people} {participants.length} {people.filter(({ isSpeaking }) => isSpeaking).length}
      {past.length}
      <LiveIndicator />
    </p>
  );
}

createRoot(document.getElementById("root")!).render(
  <PresenceProvider token={async () => "token"}>
    <Room />
    <ParticipantList room="stage" moderate />
    <AttendanceTimeline room="general" defaultRange="day" labels={{ table: "Tabelle" }} />
  </PresenceProvider>,
);
