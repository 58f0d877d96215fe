"use client";

export type {
  AttendanceRange,
  AttendanceState,
  AttendanceStatus,
  AttendedSession,
  Attendee,
  Span,
} from "../attendance/types.js";
export { useAttendance, type Attendance } from "./attendance.js";
export { useConnection, type Connection } from "./connection.js";
export { useEvents, type EventsHookOptions } from "./events.js";
export { LiveIndicator, type LiveIndicatorLabels, type LiveIndicatorProps } from "./indicator.js";
export type { LiveKitEvent, LiveKitParticipant, LiveKitRoom, LiveKitTrack } from "./livekit.js";
export { useParticipants, type Participants } from "./participants.js";
export { PresenceProvider, type PresenceProviderProps } from "./provider.js";
export { AttendanceTimeline, type AttendanceTimelineLabels, type AttendanceTimelineProps } from "./timeline.js";
export { useRoomCount, type RoomCount } from "./room-count.js";
export { useRoomPresence, type Person, type RoomPresence } from "./room-presence.js";
export { useRooms, type Rooms, type RoomsOptions } from "./rooms.js";
