"use client";

export type {
  AttendanceRange,
  AttendanceState,
  AttendanceStatus,
  AttendedSession,
  Attendee,
  Span,
} from "../attendance/types.js";
export { ModerationError } from "../moderate/request.js";
export type {
  Ban,
  BanOptions,
  MuteAllOptions,
  MutedAll,
  PermissionChange,
  RosterChange,
  RosterEntry,
  RosterStatus,
  TrackSource,
  Update,
  Updated,
} from "../moderate/types.js";
export { useAttendance, type Attendance } from "./attendance.js";
export { useConnection, type Connection } from "./connection.js";
export { useEvents, type EventsHookOptions } from "./events.js";
export { LiveIndicator, type LiveIndicatorLabels, type LiveIndicatorProps } from "./indicator.js";
export type { LiveKitEvent, LiveKitParticipant, LiveKitRoom, LiveKitTrack } from "./livekit.js";
export { useModeration, type Moderation, type ModerationOptions } from "./moderation.js";
export { ParticipantList, type ParticipantListLabels, type ParticipantListProps } from "./participant-list.js";
export { useParticipants, type Participants } from "./participants.js";
export { PresenceProvider, type PresenceProviderProps } from "./provider.js";
export { AttendanceTimeline, type AttendanceTimelineLabels, type AttendanceTimelineProps } from "./timeline.js";
export { useRoomCount, type RoomCount } from "./room-count.js";
export { useRoomPresence, type Person, type RoomPresence, type RoomPresenceOptions } from "./room-presence.js";
export { useRoster, type ShownRoster } from "./roster.js";
export { useRooms, type Rooms, type RoomsOptions } from "./rooms.js";
