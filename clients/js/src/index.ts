export { watchEvents, type EventsOptions } from "./events.js";
export { readRoom, type ReadRoomOptions } from "./read-room.js";
export { watchRoomList, type RoomListOptions } from "./room-list.js";
export { watchRoom } from "./room.js";
export { watchRooms } from "./rooms.js";
export type * from "./types.js";
