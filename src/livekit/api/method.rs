//! The calls of LiveKit's `RoomService` that are made here.

use crate::metrics::label;

label! {
    /// A call, by the name that its metrics have.
    pub enum Method as "method" {
        ListParticipants = "list_participants",
        ListRooms = "list_rooms",
        UpdateSubscriptions = "update_subscriptions",
    }
}

impl Method {
    /// As in the path of a Twirp call.
    pub fn livekit_name(self) -> &'static str {
        match self {
            Self::ListParticipants => "ListParticipants",
            Self::ListRooms => "ListRooms",
            Self::UpdateSubscriptions => "UpdateSubscriptions",
        }
    }
}
