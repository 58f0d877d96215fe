//! The calls of LiveKit's `RoomService` that are made here.

use prometheus_client::encoding::EncodeLabelValue;

/// A call, by the name that its metrics have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub enum Method {
    list_participants,
    list_rooms,
    update_subscriptions,
}

impl Method {
    /// As in the path of a Twirp call.
    pub fn livekit_name(self) -> &'static str {
        match self {
            Self::list_participants => "ListParticipants",
            Self::list_rooms => "ListRooms",
            Self::update_subscriptions => "UpdateSubscriptions",
        }
    }
}
