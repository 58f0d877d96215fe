//! Bans, on a part of a room.

use super::{Needs, RoomSlice, Step};
use crate::presence::{Ban, BanChanged, Identity, StoreTime};

impl RoomSlice {
    /// As [`Room::ban_of`](crate::presence::Room::ban_of), if the row of the person is held.
    pub fn ban_of(&self, identity: &Identity) -> Option<&Ban> {
        self.room.ban_of(identity)
    }

    /// As [`Room::bans_kept_until`](crate::presence::Room::bans_kept_until).
    pub fn bans_kept_until(&self, now: StoreTime) -> StoreTime {
        self.room.bans_kept_until(now)
    }

    /// As [`Room::ban`](crate::presence::Room::ban).
    ///
    /// # Errors
    /// [`Needs`] says which rows are missing.
    pub fn ban(
        &mut self,
        identity: &Identity,
        ban: Option<Ban>,
        now: StoreTime,
    ) -> Result<Step<BanChanged>, Needs> {
        if !self.holds(identity) {
            return Err(Needs::Person(identity.clone()));
        }
        let touched = vec![identity.clone()];
        let mut transitions = Vec::new();
        let outcome =
            self.step(&touched, |room| room.ban_noting(identity, ban, now, &mut transitions));
        Ok(Step { outcome, touched, transitions })
    }
}
