//! Who entered and who left a list in one step, for those who count joins and leaves.

use super::participant::Participant;

/// One session that a list shows from now on, or no longer. All transitions of a room in order, folded by sid, give its list.
///
/// A [`Change`](super::Change) goes by identity: where a newer session replaces an older one of the same identity, it only says
/// that the participant was updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The participant as last shown.
    Left(Participant),
    /// The participant as shown now.
    Joined(Participant),
}

impl Transition {
    pub fn participant(&self) -> &Participant {
        match self {
            Self::Left(participant) | Self::Joined(participant) => participant,
        }
    }
}
