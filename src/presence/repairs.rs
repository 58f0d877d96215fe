//! The repairs that bring a room into line with one answer of LiveKit, and whose sessions they are about.

use std::{collections::BTreeSet, ops::Range};

use super::{
    name::{Identity, ParticipantSid},
    participant::{SessionInfo, Track},
    room::Room,
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
    pub cause: RepairCause,
    pub steps: Vec<Repair>,
}

/// Why LiveKit was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairCause {
    /// To find out who is inside, or whether somebody lives.
    Comparison,
    /// A moderator had it change something.
    Moderation,
    /// What it keeps of a room has changed, and was read again.
    Refresh,
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
    /// LiveKit has muted one of its tracks, or has it heard again.
    Muted { sid: ParticipantSid, track: Track },
    /// LiveKit has removed it. The room need not hold it: its `participant_joined` may still be on its way.
    Ended { sid: ParticipantSid, identity: Identity },
    /// LiveKit has closed the room.
    Closed,
    /// The time of a person's ban is over.
    Lapse(Identity),
}

impl Repair {
    fn subject(&self, held: &Room) -> Subject {
        let sid = match self {
            Self::Add { session: info, .. } | Self::Update(info) => {
                return Subject::Person(info.identity.clone());
            }
            Self::Ended { identity, .. } | Self::Lapse(identity) => {
                return Subject::Person(identity.clone());
            }
            Self::Closed => return Subject::Nobody,
            Self::Listed { sid, .. }
            | Self::Missed(sid)
            | Self::Remove(sid)
            | Self::Forget(sid)
            | Self::Evict(sid)
            | Self::Alive(sid)
            | Self::Dead { sid, .. }
            | Self::Muted { sid, .. } => sid,
        };
        let session = held.sessions.get(sid);
        session.map_or(Subject::Unknown, |session| Subject::Person(session.identity.clone()))
    }
}

/// The person whose session each repair is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects(Vec<Subject>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Person(Identity),
    /// It is about the room itself.
    Nobody,
    /// The room that the repairs were computed from does not tell.
    Unknown,
}

impl Repairs {
    /// All persons in the room that they are about.
    pub(super) fn whom(&self, room: &Room) -> BTreeSet<Identity> {
        let person = |step: &Repair| match step.subject(room) {
            Subject::Person(identity) => Some(identity),
            Subject::Nobody | Subject::Unknown => None,
        };
        self.steps.iter().filter_map(person).collect()
    }

    pub fn subjects(&self, held: &Room) -> Subjects {
        Subjects(self.steps.iter().map(|step| step.subject(held)).collect())
    }
}

impl Subjects {
    /// All persons that these repairs are about; none if it is not known of one of these repairs whom it is about.
    pub fn of(&self, repairs: Range<usize>) -> Option<BTreeSet<Identity>> {
        let mut persons = BTreeSet::new();
        for subject in self.0.get(repairs)? {
            match subject {
                Subject::Person(identity) => drop(persons.insert(identity.clone())),
                Subject::Nobody => {}
                Subject::Unknown => return None,
            }
        }
        Some(persons)
    }
}
