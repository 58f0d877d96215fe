//! Counts of the sessions in a room: those held, by the opening that they belong to, the undecided ones, and those that record.
//! Thanks to them, a `room_started` or `room_finished` looks through the sessions only if it may end one.

use serde::{Deserialize, Serialize};

use super::{name::RoomSid, participant::is_default, session::Session, time::LiveKitTime};

/// Counts of the held sessions.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Inside {
    /// Rarely more than one or two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    openings: Vec<OfOpening>,
    /// Sessions that may or may not be in the room. While there are any, the room is not complete.
    #[serde(skip_serializing_if = "is_default")]
    undecided: usize,
    /// Sessions that record the room. Releases that do not know this field drop it when they write the row.
    #[serde(skip_serializing_if = "is_default")]
    recorders: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfOpening {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<RoomSid>,
    count: usize,
    /// Nobody counted here joined earlier. The session that joined then may have left.
    oldest: LiveKitTime,
}

impl Inside {
    pub fn of<'session>(sessions: impl Iterator<Item = &'session Session>) -> Self {
        let mut inside = Self::default();
        sessions.for_each(|session| inside.add(session));
        inside
    }

    pub fn add(&mut self, session: &Session) {
        if session.is_undecided() {
            self.undecided += 1;
        }
        self.recorders += usize::from(session.records());
        if !session.is_held() {
            return;
        }
        let (sid, joined_at) = (session.opening.sid(), session.joined_at);
        match self.openings.iter_mut().find(|one| one.sid.as_ref() == sid) {
            Some(one) => {
                one.count += 1;
                one.oldest = one.oldest.min(joined_at);
            }
            None => {
                self.openings.push(OfOpening { sid: sid.cloned(), count: 1, oldest: joined_at });
            }
        }
    }

    /// Takes out a session that was added as it is now.
    pub fn take(&mut self, session: &Session) {
        if session.is_undecided() {
            self.undecided -= 1;
        }
        self.recorders = self.recorders.saturating_sub(usize::from(session.records()));
        if !session.is_held() {
            return;
        }
        let sid = session.opening.sid();
        if let Some(one) = self.openings.iter_mut().find(|one| one.sid.as_ref() == sid) {
            one.count -= 1;
        }
        self.openings.retain(|one| one.count > 0);
    }

    pub fn is_empty(&self) -> bool {
        self.openings.is_empty()
    }

    pub fn has_recorder(&self) -> bool {
        self.recorders > 0
    }

    pub fn is_decided(&self) -> bool {
        self.undecided == 0
    }

    /// Whether somebody inside may have joined before `horizon`. False is certain.
    pub fn may_predate(&self, horizon: LiveKitTime) -> bool {
        self.openings.iter().any(|one| one.oldest < horizon)
    }

    /// Whether the end of the opening `finished`, in the second that begins at `second`, may have ended a session. False is
    /// certain.
    pub fn may_end_with(&self, finished: Option<&RoomSid>, second: LiveKitTime) -> bool {
        self.openings.iter().any(|one| {
            let is_it = one.sid.is_none() || one.sid.as_ref() == finished;
            is_it && one.oldest < second.plus_millis(1_000)
        })
    }
}
