//! LiveKit's own list of a room: the answer of `RoomService/ListParticipants`.

use crate::presence::SessionInfo;

use super::wire::{Missing, ParticipantInfo, ParticipantList};

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
    let list: ParticipantList = serde_json::from_slice(body)?;
    let participants = list.participants.unwrap_or_default();
    Ok(participants.into_iter().map(ParticipantInfo::into_session).collect::<Result<_, _>>()?)
}
