import { createApp, createSSRApp, defineComponent, h, nextTick, ref, type App, type Ref } from "vue";
import { renderToString } from "vue/server-renderer";
import { expect, it, vi } from "vitest";

import type { PresenceEvent } from "../../src/types.js";
import { createPresence, useEvents, useParticipants, useRoomCount, useRooms } from "../../src/vue/index.js";
import { pass, service, url, withService, watched } from "../adapter.js";
import { person } from "../service.js";

withService();

const options = { url, share: false } as const;

const Room = defineComponent({
  props: { name: { type: String, default: null } },
  setup(props) {
    const room = useParticipants(() => props.name);
    return () => `${room.value.status}:${room.value.participants.map(({ identity }) => identity).join(",")}`;
  },
});

/** Mounts what this renders, with the options of a page. */
function show(render: () => unknown): { app: App; text: () => string | null } {
  const element = document.createElement("main");
  const app = createApp({ render });
  app.use(createPresence(options));
  app.mount(element);
  return { app, text: () => element.textContent };
}

it("shows a room, and each change of it", async () => {
  service.change("general", [person("anouk")]);
  const { app, text } = show(() => h(Room, { name: "general" }));
  expect(text()).toBe("connecting:");
  await pass(50);
  expect(text()).toBe("live:anouk");
  service.change("general", [person("anouk"), person("ben")]);
  await nextTick();
  expect(text()).toBe("live:anouk,ben");
  app.unmount();
  expect(watched()).toEqual([]);
});

it("shows another room when the name changes, and none without a name", async () => {
  service.change("general", [person("anouk")]);
  service.change("support", [person("rosa")]);
  const name: Ref<string | undefined> = ref("general");
  const { app, text } = show(() => h(Room, name.value ? { name: name.value } : {}));
  await pass(50);
  name.value = "support";
  await nextTick();
  expect(text()).toBe("connecting:");
  await pass(50);
  expect(text()).toBe("live:rosa");
  expect(watched()).toEqual(["?room=support"]);
  name.value = undefined;
  await nextTick();
  expect([text(), watched()]).toEqual(["connecting:", []]);
  app.unmount();
});

it("shows numbers and the list of rooms, and tells of events", async () => {
  service.change("general", [person("anouk")]);
  service.change("team-a", [person("ben")]);
  const seen: string[] = [];
  const { app, text } = show(() =>
    h(
      defineComponent(() => {
        const count = useRoomCount("general");
        const rooms = useRooms("team-");
        useEvents({ onEvent: ({ event }: PresenceEvent) => seen.push(event) });
        return () => `${count.value.counts?.people} ${rooms.value.rooms?.map(({ name }) => name).join()}`;
      }),
    ),
  );
  await pass(50);
  expect(text()).toBe("1 team-a");
  service.happen("participant_joined", "general");
  expect(seen).toEqual(["participant_joined"]);
  app.unmount();
  expect(watched()).toEqual([]);
});

it("connects again when it is told to", async () => {
  service.change("general", [person("anouk")]);
  let reconnect: (() => void) | undefined;
  const { app } = show(() =>
    h(
      defineComponent(() => {
        const room = useParticipants("general");
        ({ reconnect } = room.value);
        return () => room.value.status;
      }),
    ),
  );
  await pass(50);
  reconnect!();
  await pass(50);
  expect(service.opened).toBe(2);
  app.unmount();
});

it("asks with the options of its own, if it has some", async () => {
  service.tokens = new Set(["mine"]);
  service.change("general", [person("anouk")]);
  const element = document.createElement("main");
  const app = createApp(
    defineComponent(() => {
      const room = useParticipants("general", { ...options, token: "mine" });
      return () => room.value.status;
    }),
  );
  app.mount(element);
  await pass(50);
  expect(element.textContent).toBe("live");
  expect(vi.mocked(console.warn).mock.calls).toEqual([]);
  app.unmount();
});

it("renders the initial state on a server, and connects nothing", async () => {
  vi.stubGlobal("document", undefined);
  const app = createSSRApp({ render: () => h(Room, { name: "general" }) });
  app.use(createPresence({ ...options, token: "secret" }));
  const html = await renderToString(app);
  await pass(5_000);
  expect([html, service.opened, service.requests.length]).toEqual(["connecting:", 0, 0]);
});
