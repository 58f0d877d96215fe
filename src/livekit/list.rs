//! LiveKit's own lists: the answers of `RoomService/ListParticipants` and `RoomService/ListRooms`.

use crate::presence::{LiveKitTime, RoomName, SessionInfo};

use super::{
    object::Object,
    wire::{Missing, ParticipantList, RoomList, WebhookRoom},
};

/// A room in LiveKit's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRoom {
    pub name: RoomName,
    /// When LiveKit made the room object, if it says so.
    pub created_at: Option<LiveKitTime>,
    /// None where LiveKit leaves it out, which it does not do where it is empty.
    pub metadata: Option<String>,
}

/// Why an answer cannot be read as a list.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableList {
    #[error("LiveKit's list is not the expected JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("a participant in LiveKit's list has no `{0}`")]
    MissingField(&'static str),
}

impl From<Missing> for UnreadableList {
    fn from(Missing(field): Missing) -> Self {
        Self::MissingField(field)
    }
}

/// Reads the body of a successful `ListParticipants`.
///
/// # Errors
/// The body is not such a list, or somebody in it has no `sid` or no `identity`.
pub fn parse_participants(body: &[u8]) -> Result<Vec<SessionInfo>, UnreadableList> {
    let Object(list): Object<ParticipantList> = serde_json::from_slice(body)?;
    let participants = list.participants.unwrap_or_default();
    Ok(participants
        .into_iter()
        .map(|Object(participant)| participant.into_session())
        .collect::<Result<_, _>>()?)
}

/// Reads the rooms from the body of a successful `ListRooms`. Its counts are often wrong, and a room whose name this service
/// cannot watch is left out.
///
/// # Errors
/// The body is not such a list.
pub fn parse_rooms(body: &[u8]) -> Result<Vec<ListedRoom>, UnreadableList> {
    let Object(list): Object<RoomList> = serde_json::from_slice(body)?;
    let listed = |Object(room): Object<WebhookRoom>| {
        let name = RoomName::parse(room.name.as_deref()?).ok()?;
        Some(ListedRoom { name, created_at: room.created_at(), metadata: room.metadata })
    };
    Ok(list.rooms.unwrap_or_default().into_iter().filter_map(listed).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_read_with_their_metadata_and_unwatchable_ones_left_out() {
        let body =
            br#"{"rooms":[{"sid":"RM_1","name":"general","num_participants":3,"new_field":{},"metadata":"{}",
            "creation_time":"1795391800","creation_time_ms":"1795391800123","turn_password":"secret"},
            {"sid":"RM_2","name":""},{"name":"a\nb"},{"sid":"RM_3","name":"late night"}]}"#;
        let room = |name, created_at, metadata: Option<&str>| ListedRoom {
            name: RoomName::parse(name).unwrap(),
            created_at,
            metadata: metadata.map(ToOwned::to_owned),
        };
        let created_at = Some(LiveKitTime::from_millis(1_795_391_800_123));
        let expected = [room("general", created_at, Some("{}")), room("late night", None, None)];
        assert_eq!(parse_rooms(body).unwrap(), expected);
        assert_eq!(parse_rooms(b"{}").unwrap(), []);
        assert!(parse_rooms(b"[]").is_err());
    }

    // Serde's derive reads a struct from an array of its fields too.
    #[test]
    fn an_array_is_never_taken_for_an_object() {
        let lists = [
            r#"[[{"sid":"PA_1","identity":"alice"}]]"#,
            r#"{"participants":[["PA_1","alice"]]}"#,
            r#"{"participants":[{"sid":"PA_1","identity":"alice","permission":[true,true]}]}"#,
            r#"{"participants":[{"sid":"PA_1","identity":"alice","tracks":[["TR_1"]]}]}"#,
        ];
        for list in lists {
            let read = parse_participants(list.as_bytes());
            assert!(matches!(read, Err(UnreadableList::NotJson(_))), "{list}: {read:?}");
        }
    }
}
