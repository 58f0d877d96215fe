//! The part of a token's `video` grant that says what its holder may read (`auth/grants.go` of livekit/protocol).

use serde::{Deserialize, Deserializer, Serialize};

use crate::presence::RoomName;

/// What a token grants, as far as reading is concerned.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct VideoGrant {
    #[serde(deserialize_with = "null_is_default")]
    pub room: String,
    #[serde(deserialize_with = "null_is_default")]
    pub room_join: bool,
    #[serde(deserialize_with = "null_is_default")]
    pub room_admin: bool,
    #[serde(deserialize_with = "null_is_default")]
    pub room_list: bool,
}

impl VideoGrant {
    /// What our own calls about a room need.
    pub(super) fn of_room(room: &RoomName) -> Self {
        Self { room: room.as_str().to_owned(), room_admin: true, ..Self::default() }
    }
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
