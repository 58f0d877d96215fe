//! The calls of LiveKit's `RoomService` that are made here.

use crate::metrics::label;

label! {
    /// A call, by the name that its metrics have.
    pub enum Method as "method" {
        DeleteRoom = "delete_room",
        GetParticipant = "get_participant",
        ListParticipants = "list_participants",
        ListRooms = "list_rooms",
        MutePublishedTrack = "mute_published_track",
        RemoveParticipant = "remove_participant",
        UpdateParticipant = "update_participant",
        UpdateSubscriptions = "update_subscriptions",
    }
}

impl Method {
    /// As in the path of a Twirp call.
    pub fn livekit_name(self) -> &'static str {
        match self {
            Self::DeleteRoom => "DeleteRoom",
            Self::GetParticipant => "GetParticipant",
            Self::ListParticipants => "ListParticipants",
            Self::ListRooms => "ListRooms",
            Self::MutePublishedTrack => "MutePublishedTrack",
            Self::RemoveParticipant => "RemoveParticipant",
            Self::UpdateParticipant => "UpdateParticipant",
            Self::UpdateSubscriptions => "UpdateSubscriptions",
        }
    }
}
