//! The repairs that bring a room into line with one answer of LiveKit, and whose sessions they are about.

use std::{collections::BTreeSet, ops::Range};

use super::{
    name::{Identity, ParticipantSid},
    participant::SessionInfo,
    room::Room,
    session::Session,
    time::{StoreTime, Version},
};

/// Repairs computed from one answer of LiveKit.
#[derive(Clone, Debug)]
pub struct Repairs {
    /// When LiveKit was asked, by the store's clock.
    pub asked_at: StoreTime,
    /// The room's epoch when they were computed. After another start or finish they no longer apply.
    pub epoch: u64,
    /// The room's version when they were computed. A room with an earlier one has lost what they were computed from.
    pub version: Version,
    /// Whether the answer was a list. Then the room is complete afterwards, unless somebody in it is undecided.
    pub confirms: bool,
    /// When LiveKit's list of rooms was asked for, if it did not have the room.
    pub unlisted_at: Option<StoreTime>,
    pub steps: Vec<Repair>,
}

/// One repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// LiveKit lists a session that the room does not hold.
    Add { session: SessionInfo, suspect: bool },
    /// LiveKit's description is newer.
    Update(SessionInfo),
    /// It is listed; nothing else changed.
    Listed { sid: ParticipantSid, version: u32 },
    /// It is not listed, and nothing tells yet whether it is gone.
    Missed(ParticipantSid),
    /// It is not listed, and it is gone.
    Remove(ParticipantSid),
    /// It was removed because lists omit it, and has been kept for long enough.
    Forget(ParticipantSid),
    /// It is listed, but failed its liveness probes.
    Evict(ParticipantSid),
    /// It answered a probe.
    Alive(ParticipantSid),
    /// It failed a probe. `witnessed`: another session has answered one since this session's last failure ended.
    Dead { sid: ParticipantSid, witnessed: bool },
}

impl Repair {
    fn whose<'step>(&'step self, held: &'step Room) -> Option<&'step Identity> {
        let sid = match self {
            Self::Add { session: info, .. } | Self::Update(info) => return Some(&info.identity),
            Self::Listed { sid, .. }
            | Self::Missed(sid)
            | Self::Remove(sid)
            | Self::Forget(sid)
            | Self::Evict(sid)
            | Self::Alive(sid)
            | Self::Dead { sid, .. } => sid,
        };
        held.sessions.get(sid).map(Session::identity)
    }
}

/// The person whose session each repair is about; none where the room that the repairs were computed from does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects(Vec<Option<Identity>>);

impl Repairs {
    /// All persons in the room that they are about.
    pub(super) fn whom(&self, room: &Room) -> BTreeSet<Identity> {
        self.steps.iter().filter_map(|step| step.whose(room).cloned()).collect()
    }

    pub fn subjects(&self, held: &Room) -> Subjects {
        Subjects(self.steps.iter().map(|step| step.whose(held).cloned()).collect())
    }
}

impl Subjects {
    /// All persons that these repairs are about; none unless each of these repairs is known to be about somebody.
    pub fn of(&self, repairs: Range<usize>) -> Option<BTreeSet<Identity>> {
        self.0.get(repairs)?.iter().cloned().collect()
    }
}
