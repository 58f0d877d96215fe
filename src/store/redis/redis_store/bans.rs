//! Bans: a person's ban is part of their row.

use crate::{
    presence::{Ban, BanChanged, Identity, RoomName, StepTaken},
    store::{StoreError, events::Happened},
};

use super::{
    super::{
        commit::ToLog,
        message,
        steps::{Effect, Taken, Wanted},
    },
    RedisStore,
};

impl RedisStore {
    pub(super) async fn set_ban(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: Option<&Ban>,
    ) -> Result<BanChanged, StoreError> {
        let persons = [identity.clone()];
        let wanted = Wanted { room, persons: &persons, may_be_unread: true, keeps: true };
        self.steps
            .step(wanted, |slice, now, is_logged| {
                let is_nothing = ban.is_none() && slice.ban_of(identity).is_none();
                let step = slice.ban(identity, ban.cloned(), now)?;
                let transitions = &step.transitions;
                let happened = Happened::of_ban(room, slice.as_held(), transitions, now);
                let log = ToLog::of(&happened, slice, is_logged);
                let item = self.item(room, |metadata| {
                    StepTaken::of_ban(slice.as_held(), transitions, now, metadata)
                });
                let effect = match &step.outcome.change {
                    Some(change) => Effect::Told(message::of_change(room, change)),
                    None if is_nothing => Effect::NothingIfRead,
                    None => Effect::Written,
                };
                Ok(Taken { outcome: step.outcome, touched: step.touched, effect, log, item })
            })
            .await
    }

    pub(super) async fn read_ban(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Ban>, StoreError> {
        let held = self.steps.reader.rows(room, std::slice::from_ref(identity)).await?;
        let now = self.steps.time.now().await?;
        Ok(held.slice.ban_of(identity).filter(|ban| ban.holds_at(now)).cloned())
    }
}
