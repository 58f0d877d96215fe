//! Who entered and who left a list in one step, for those who count joins and leaves, and for the history.

use super::{name::ParticipantSid, participant::Participant, time::StoreTime};

/// One session that a list shows from now on, or no longer. All transitions of a room in order, folded by sid, give its list.
///
/// A [`Change`](super::Change) goes by identity: where a newer session replaces an older one of the same identity, it only says
/// that the participant was updated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// The participant as last shown.
    Left(Participant, Ending),
    /// The participant as shown now.
    Joined(Participant, Entrance),
}

impl Transition {
    pub fn participant(&self) -> &Participant {
        match self {
            Self::Left(participant, _) | Self::Joined(participant, _) => participant,
        }
    }

    pub fn sid(&self) -> &ParticipantSid {
        &self.participant().sid
    }
}

/// Why a list no longer shows a session, and what is known of when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its own webhook said so.
    Said,
    /// A newer session of the identity joined.
    Superseded,
    /// The room started again without it: LiveKit had crashed. It or another one in the room last showed life at this time, or the
    /// last webhook about the room came.
    Restarted { last_sign: StoreTime },
    /// The room ended.
    Finished,
    /// LiveKit's lists omit it, the first of them asked for at this time.
    Missing { since: StoreTime },
    /// Its liveness probes failed. It last showed life at this time.
    Evicted { last_sign: StoreTime },
    /// A moderator had LiveKit remove it, or end the room.
    Removed,
    /// It goes on, and clients may no longer see it.
    Hidden,
    /// A moderator banned its person.
    Banned,
}

/// Why a list shows a session that it did not show before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entrance {
    /// It joined, or was wrongly taken for gone.
    Joined,
    /// It was hidden before.
    Revealed,
    /// A moderator lifted the ban of its person.
    Unbanned,
}
