//! Bans: whom a room does not show, whatever LiveKit says. Tokens that LiveKit has accepted stay valid, so somebody who is banned may
//! enter again; their sessions are kept like any other, and clients never see them.
//!
//! A ban ends with the first step about that person after its time: a room's list only changes in a step.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    change::{Change, ViewDiff},
    event::{Event, EventKind},
    name::{Identity, ParticipantSid},
    reduce::Applied,
    repairs::Repair,
    room::Room,
    session::Session,
    time::{StoreTime, Version},
    transition::{Ending, Entrance, Transition},
};

/// For how long a store keeps a room with a ban that has no end, after each write of the room.
const ENDLESS_MEMORY: Duration = Duration::from_hours(365 * 24);
/// The end of a ban that has none.
const NEVER: StoreTime = StoreTime::from_micros(u64::MAX);

/// Somebody must not be in a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ban {
    /// None: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<StoreTime>,
    pub at: StoreTime,
    /// The identity of the moderator.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What setting or lifting a ban did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BanChanged {
    /// The ban that held before.
    pub before: Option<Ban>,
    /// The person's sessions that are in the room, or may be.
    pub inside: Vec<ParticipantSid>,
    pub change: Option<Change>,
}

impl Ban {
    pub fn holds_at(&self, now: StoreTime) -> bool {
        now < self.end()
    }

    fn end(&self) -> StoreTime {
        self.until.unwrap_or(NEVER)
    }
}

impl Applied {
    /// The same, and whether a banned person's session was seen to be inside.
    pub fn apart_from_ban(self) -> (Self, bool) {
        match self {
            Self::OfBanned(applied) => (applied.apart_from_ban().0, true),
            applied @ (Self::Duplicate | Self::Unchanged | Self::Unexpected | Self::Changed(_)) => {
                (applied, false)
            }
        }
    }

    /// Whether the event had been applied before.
    pub fn is_duplicate(&self) -> bool {
        match self {
            Self::Duplicate => true,
            Self::OfBanned(applied) => applied.is_duplicate(),
            Self::Unchanged | Self::Unexpected | Self::Changed(_) => false,
        }
    }

    /// What clients see differently.
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Changed(change) => Some(change),
            Self::OfBanned(applied) => applied.change(),
            Self::Duplicate | Self::Unchanged | Self::Unexpected => None,
        }
    }
}

impl Room {
    /// All bans, in no particular order. Some may have ended.
    pub fn bans(&self) -> impl Iterator<Item = (&Identity, &Ban)> {
        self.bans.iter()
    }

    /// The ban of a person, which may have ended.
    pub fn ban_of(&self, identity: &Identity) -> Option<&Ban> {
        self.bans.get(identity)
    }

    /// Whether the list leaves a person out because of a ban.
    pub fn is_banned(&self, identity: &Identity) -> bool {
        self.bans.contains_key(identity)
    }

    /// Whether nothing may be told of the session that a webhook is about, where the list does not show it: it was hidden in the
    /// end, or its person is banned. A ban whose time is over does not count, since a store may have forgotten it.
    pub fn keeps_unseen(&self, event: &Event, now: StoreTime) -> bool {
        let holds = |identity| self.ban_of(identity).is_some_and(|ban| ban.holds_at(now));
        event.sid().is_some_and(|sid| self.was_hidden(sid)) || event.whose().is_some_and(holds)
    }

    /// Until when a store that forgets rooms must keep this one for its bans, if it is written now. Zero if it has none.
    pub fn bans_kept_until(&self, now: StoreTime) -> StoreTime {
        self.banned_until.min(now + ENDLESS_MEMORY)
    }

    /// The bans that still hold, as a room of which nothing else is known; none if there are none.
    pub fn bans_alone(&self, now: StoreTime) -> Option<Self> {
        let mut bans = self.bans.clone();
        if !bans.values().all(|ban| ban.holds_at(now)) {
            Arc::make_mut(&mut bans).retain(|_, ban| ban.holds_at(now));
        }
        let mut alone = Self { bans, ..Self::default() };
        alone.find_end_of_bans();
        (!alone.bans.is_empty()).then_some(alone)
    }

    /// Bans somebody, or lifts their ban. They leave the list, or return to it, in this step.
    pub fn ban(&mut self, identity: &Identity, ban: Option<Ban>, now: StoreTime) -> BanChanged {
        self.ban_noting(identity, ban, now, &mut Vec::new())
    }

    /// As [`Self::ban`]. Adds who entered and who left the list to `transitions`.
    pub fn ban_noting(
        &mut self,
        identity: &Identity,
        ban: Option<Ban>,
        now: StoreTime,
        transitions: &mut Vec<Transition>,
    ) -> BanChanged {
        let mut diff = ViewDiff::default();
        self.touch(identity, &mut diff);
        let inside: Vec<_> = self.held_of(identity).map(|held| held.sid.clone()).collect();
        for sid in &inside {
            match &ban {
                Some(_) => diff.ended(sid, Ending::Banned),
                None => diff.revealed(sid, Entrance::Unbanned),
            }
        }
        let before = self.set_ban(identity, ban).filter(|before| before.holds_at(now));
        // Nobody is in a room that no step has been taken on, and it is none that clients would know.
        let is_known = self.version != Version::ZERO;
        let change = is_known.then(|| self.end_step(diff, false, None, now, transitions)).flatten();
        BanChanged { before, inside, change }
    }

    /// Puts back a ban that a row has.
    pub(super) fn restore_ban(&mut self, identity: &Identity, ban: Ban) {
        Arc::make_mut(&mut self.bans).insert(identity.clone(), ban);
    }

    /// Forgets a ban of somebody of whom nothing else is known.
    pub(super) fn forget_ban(&mut self, identity: &Identity) {
        if self.bans.contains_key(identity) {
            Arc::make_mut(&mut self.bans).remove(identity);
        }
    }

    /// Every ban is held: finds out when the last one ends.
    pub(super) fn find_end_of_bans(&mut self) {
        self.banned_until = self.bans.values().map(Ban::end).max().unwrap_or_default();
    }

    /// Lifts a ban whose time is over.
    pub(super) fn lapse_ban(&mut self, identity: &Identity, now: StoreTime, diff: &mut ViewDiff) {
        let is_over = self.bans.get(identity).is_some_and(|ban| !ban.holds_at(now));
        if is_over {
            self.touch(identity, diff);
            for held in self.held_of(identity) {
                diff.revealed(&held.sid, Entrance::Revealed);
            }
            self.set_ban(identity, None);
        }
    }

    /// Before an event: a ban of the person whom it is about may be over. What they did while it held stays unseen, so the end of a
    /// session lifts none.
    pub(super) fn lapse_ban_of(&mut self, event: &Event, now: StoreTime, diff: &mut ViewDiff) {
        match &event.kind {
            EventKind::Joined(_)
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. } => {
                if let Some(identity) = event.whose() {
                    self.lapse_ban(identity, now, diff);
                }
            }
            EventKind::Room(_) | EventKind::Left { .. } => {}
        }
    }

    /// Repairs that lift the bans whose time was over at `asked_at`.
    pub(super) fn plan_lapses(&self, asked_at: StoreTime) -> Vec<Repair> {
        let over = self.bans.iter().filter(|(_, ban)| !ban.holds_at(asked_at));
        let mut over: Vec<_> = over.map(|(identity, _)| identity.clone()).collect();
        over.sort_unstable();
        over.into_iter().map(Repair::Lapse).collect()
    }

    /// What an event did, given whether it shows that a banned person's session is inside.
    pub(super) fn seen_with_ban(&self, event: &Event, applied: Applied) -> Applied {
        let session = event.sid().and_then(|sid| self.held(sid));
        if session.is_some_and(|held: &Session| self.is_banned(&held.identity)) {
            Applied::OfBanned(Box::new(applied))
        } else {
            applied
        }
    }

    fn set_ban(&mut self, identity: &Identity, ban: Option<Ban>) -> Option<Ban> {
        if let Some(ban) = &ban {
            self.banned_until = self.banned_until.max(ban.end());
        } else if !self.bans.contains_key(identity) {
            return None;
        }
        let bans = Arc::make_mut(&mut self.bans);
        match ban {
            Some(ban) => bans.insert(identity.clone(), ban),
            None => bans.remove(identity),
        }
    }
}
