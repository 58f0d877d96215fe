//! LiveKit's own list of a room: the answer of `RoomService/ListParticipants`.

use crate::presence::SessionInfo;

use super::{
    object::Object,
    wire::{Missing, ParticipantList},
};

/// Why an answer is no list of participants.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableList {
    #[error("LiveKit's list of participants is not the expected JSON")]
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
pub fn parse_participants(body: &[u8]) -> Result<Vec<SessionInfo>, UnreadableList> {
    let Object(list): Object<ParticipantList> = serde_json::from_slice(body)?;
    let participants = list.participants.unwrap_or_default();
    Ok(participants
        .into_iter()
        .map(|Object(participant)| participant.into_session())
        .collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
