//! Moderators who ban people in a schedule, and lift their bans. They draw from numbers of their own, so that the rest of a schedule
//! is the same without them.

use std::{collections::BTreeMap, time::Duration};

use livekit_presence::presence::{Ban, Identity, Participant, Room, StoreTime};

use super::schedule::{Schedule, Step};

/// What moderators have decided.
pub(super) struct Moderators {
    rng: fastrand::Rng,
    /// Until when somebody must not be shown; none: for ever.
    banned: BTreeMap<Identity, Option<StoreTime>>,
}

impl Moderators {
    /// Nobody is shown whose ban holds.
    pub fn check(&self, room: &Room, now: StoreTime) -> Result<(), String> {
        let is_banned = |one: &Participant| {
            let until = self.banned.get(&one.identity);
            until.is_some_and(|until| until.is_none_or(|until| now < until))
        };
        match room.list().into_iter().find(is_banned) {
            Some(shown) => Err(format!("{} is banned and shown", shown.identity)),
            None => Ok(()),
        }
    }
}

impl Schedule {
    pub(super) fn with_bans(seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(!seed);
        let mut schedule = Self::new(seed);
        schedule.moderators = Some(Moderators { rng, banned: BTreeMap::new() });
        schedule
    }

    /// Sometimes bans somebody, and sometimes lifts a ban.
    pub(super) fn change_bans(&mut self) -> Result<(), String> {
        let Some(moderators) = &mut self.moderators else { return Ok(()) };
        let people = super::simulated_livekit::IDENTITIES;
        let identity = Identity::new(*moderators.rng.choice(&people).expect("there are some"));
        let ban = match moderators.rng.u8(..20) {
            0 | 1 => Some(None),
            2 | 3 => Some(Some(self.now + Duration::from_millis(moderators.rng.u64(..60_000)))),
            4 | 5 => None,
            _ => return Ok(()),
        };
        match ban {
            Some(until) => moderators.banned.insert(identity.clone(), until),
            None => moderators.banned.remove(&identity),
        };
        let at = self.now;
        let ban = ban.map(|until| Ban { until, at, by: "moderator".to_owned(), reason: None });
        self.ban(identity, ban)
    }

    /// Lifts all bans.
    pub(super) fn lift_all(&mut self) -> Result<(), String> {
        let banned = self.moderators.as_mut().map(|some| std::mem::take(&mut some.banned));
        for identity in banned.unwrap_or_default().into_keys() {
            self.ban(identity, None)?;
        }
        Ok(())
    }

    fn ban(&mut self, identity: Identity, ban: Option<Ban>) -> Result<(), String> {
        self.done.push((self.now, Step::Ban(identity.clone(), ban.clone())));
        let mut transitions = Vec::new();
        let changed = self.room.ban_noting(&identity, ban, self.now, &mut transitions);
        if let Some(change) = changed.change {
            self.tell(change)?;
        }
        self.count(&transitions)?;
        self.check_told()
    }
}
