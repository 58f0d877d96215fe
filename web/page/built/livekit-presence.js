// Built from web/page and clients/js/src by `npm run build` in clients/js; do not edit.
import{c as a,e as b,f as c,g as d,h as e}from"./shared.js";import"./shared-2.js";import"./shared-4.js";export{b as readRoom,a as watchEvents,d as watchRoom,c as watchRoomList,e as watchRooms};
