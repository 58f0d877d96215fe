//! LiveKit's own lists: the answers of `RoomService/ListParticipants` and `RoomService/ListRooms`.

use crate::presence::{RoomName, SessionInfo};

use super::{
    object::Object,
    wire::{Missing, ParticipantList, RoomList},
};

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

/// Reads the names from the body of a successful `ListRooms`. Its counts are often wrong, and a room whose name this service
/// cannot watch is left out.
///
/// # Errors
/// The body is not such a list.
pub fn parse_rooms(body: &[u8]) -> Result<Vec<RoomName>, UnreadableList> {
    let Object(list): Object<RoomList> = serde_json::from_slice(body)?;
    let names = list.rooms.unwrap_or_default().into_iter().filter_map(|Object(room)| room.name);
    Ok(names.filter_map(|name| RoomName::parse(&name).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_read_by_name_and_unwatchable_ones_left_out() {
        let body =
            br#"{"rooms":[{"sid":"RM_1","name":"general","num_participants":3,"new_field":{}},
            {"sid":"RM_2","name":""},{"name":"a\nb"},{"sid":"RM_3","name":"late night"}]}"#;
        let names: Vec<_> = parse_rooms(body).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["general", "late night"]);
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
