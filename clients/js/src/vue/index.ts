// `livekit-presence/vue`: the watches as composables.

import {
  inject,
  shallowReadonly,
  shallowRef,
  toValue,
  watch,
  type InjectionKey,
  type MaybeRefOrGetter,
  type ShallowRef,
} from "vue";

import { watchEvents, type EventsOptions } from "../events.js";
import { watchRoomList } from "../room-list.js";
import { watchRoom } from "../room.js";
import type { CountSnapshot, Link, RoomListSnapshot, RoomSnapshot, ServiceOptions, Watch } from "../types.js";

/** What a composable returns: the newest snapshot, and `reconnect`, which connects again at once. */
export type Shown<Snapshot> = Readonly<ShallowRef<Snapshot & { readonly reconnect: () => void }>>;

/** The part of Vue's `App` that `createPresence` uses. */
export interface AppLike {
  provide<T>(key: InjectionKey<T>, value: T): unknown;
}

const GIVEN: InjectionKey<ServiceOptions> = Symbol();

/** A plugin, `app.use(createPresence({ url, token }))`: the options of all composables that have none of their own. */
export function createPresence(options: ServiceOptions): { install(app: AppLike): void } {
  return { install: (app) => void app.provide(GIVEN, options) };
}

/** The participants of a room, kept up to date. Watches nothing without a room. */
export function useParticipants(
  room: MaybeRefOrGetter<string | null | undefined>,
  options?: ServiceOptions,
): Shown<RoomSnapshot> {
  return use({ participants: [], version: null }, room, options, (room, options) => watchRoom({ ...options, room }));
}

/** The numbers of a room. Watches nothing without a room. */
export function useRoomCount(
  room: MaybeRefOrGetter<string | null | undefined>,
  options?: ServiceOptions,
): Shown<CountSnapshot> {
  return use({ counts: null, version: null }, room, options, (room, options) =>
    watchRoom({ ...options, room, view: "count" }),
  );
}

/** The list of rooms, or of those whose names begin with a prefix. Needs a token that may read every room. */
export function useRooms(prefix: MaybeRefOrGetter<string> = "", options?: ServiceOptions): Shown<RoomListSnapshot> {
  return use(
    { rooms: null },
    () => ({ prefix: toValue(prefix) }),
    options,
    ({ prefix }, options) => watchRoomList({ ...options, prefix }),
  );
}

/** Calls `onEvent` for each event that passes the filter. */
export function useEvents({ filter, onEvent, onGap, ...options }: EventsOptions): Shown<Link> {
  const own = Object.keys(options).length > 0 ? options : undefined;
  return use({}, "events", own, (_, options) => watchEvents({ ...options, filter, onEvent, onGap }));
}

/** Opens a watch for each value of `key`, closes the one before, and the last with the component. */
function use<Snapshot extends Link, Key>(
  nothing: Omit<Snapshot, keyof Link>,
  key: MaybeRefOrGetter<Key>,
  own: ServiceOptions | undefined,
  open: (key: NonNullable<Key>, options: ServiceOptions) => Watch<Snapshot>,
): Shown<Snapshot> {
  const options = own ?? inject(GIVEN, {});
  let current: Watch<Snapshot> | undefined;
  const reconnect = () => current?.reconnect();
  const beginning = { ...nothing, status: "connecting", error: null, lastEventAt: null, reconnect } as never;
  const shown = shallowRef<Snapshot & { readonly reconnect: () => void }>(beginning);
  // On a server nothing is opened.
  if (typeof document !== "undefined") {
    watch(
      () => toValue(key),
      (key, _, onCleanup) => {
        shown.value = beginning;
        if (!key) return;
        const opened = (current = open(key, options));
        const show = () => void (shown.value = { ...opened.snapshot(), reconnect });
        const unsubscribe = opened.subscribe(show);
        show();
        onCleanup(() => {
          unsubscribe();
          opened.close();
          current = undefined;
        });
      },
      { immediate: true },
    );
  }
  return shallowReadonly(shown);
}
