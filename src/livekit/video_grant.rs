//! The part of a token's `video` grant that counts here: what its holder may read, and what they may do in a room
//! (`auth/grants.go` of livekit/protocol).

use serde::{Deserialize, Deserializer, Serialize};

use crate::presence::RoomName;

/// What a token grants. Where it does not say what its holder may publish or subscribe to, LiveKit allows everything.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and LiveKit's")]
pub struct VideoGrant {
    #[serde(deserialize_with = "null_is_default")]
    pub room: String,
    #[serde(deserialize_with = "null_is_default")]
    pub room_join: bool,
    #[serde(deserialize_with = "null_is_default")]
    pub room_admin: bool,
    #[serde(deserialize_with = "null_is_default")]
    pub room_list: bool,
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_false")]
    pub room_create: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_publish_data: Option<bool>,
    /// LiveKit's names of track sources in lower case; empty: any.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub can_publish_sources: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub can_update_own_metadata: Option<bool>,
}

impl VideoGrant {
    /// What our own calls about a room need.
    pub(super) fn of_room(room: &RoomName) -> Self {
        Self { room: room.as_str().to_owned(), room_admin: true, ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(value: &bool) -> bool {
    !value
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
