export { watchRoom, watchRoomList, watchRooms } from "./watch.js";
export type * from "./types.js";
