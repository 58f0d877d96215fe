import { participants, rooms, type PresenceStore } from "livekit-presence/svelte";
import { createPresence, useParticipants, useRoomCount, type Shown } from "livekit-presence/vue";
import type { RoomSnapshot } from "livekit-presence";
import { createApp, defineComponent } from "vue";

const Room = defineComponent(() => {
  const room: Shown<RoomSnapshot> = useParticipants(() => "general");
  const count = useRoomCount("general");
  return () => `${room.value.participants.length} ${count.value.counts?.people}`;
});

export const app = createApp(Room).use(createPresence({ token: async () => "token" }));
export const store: PresenceStore<RoomSnapshot> = participants("general", { url: "https://presence.example" });
export const names = rooms({ prefix: "team-" }).subscribe(({ rooms }) => console.log(rooms?.length));
