//! Bans: who must not be in a room. The store enforces them, so that they hold while the database is away; the database has them so
//! that they survive a store that lost everything.
//!
//! - `removals`: LiveKit removes whoever is banned and inside; `intruders` are those
//! - `records`: what the database keeps; `restore` puts back what the store has lost

mod error;
mod intruders;
mod metrics;
mod records;
mod removals;
mod restore;

pub use error::{BanError, RecordError};
pub use metrics::BanMetrics;
pub use records::{BanPosition, BanRecord, BanRecords};
pub use removals::Removals;

use std::{error::Error, sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    abort_on_panic,
    coordination::Peers,
    presence::{Ban, Event, Identity, ParticipantSid, RoomName},
    store::{Store, StoreError},
};

use self::restore::Restoring;

use super::{
    act::{Act, Action},
    metrics::ActOutcome,
    moderators::to_its_end,
    record::Audit,
};

/// People who are banned from one room. All of them are in the room's memory.
pub const MAX_BANS: usize = 10_000;
/// A moderator waits for the database this long.
const RECORD_TIMEOUT: Duration = Duration::from_secs(2);

/// Sets, lifts and enforces bans.
pub struct Bans {
    store: Arc<dyn Store>,
    /// None where LiveKit cannot be asked.
    removals: Option<Arc<Removals>>,
    restoring: Option<Arc<Restoring>>,
    audit: Audit,
    _task: Option<AbortOnDropHandle<()>>,
}

impl Bans {
    /// Starts to put back what the store has lost, where there are records; `is_shared` if the store outlives this process. Must be
    /// called in a runtime.
    pub fn start(
        store: Arc<dyn Store>,
        removals: Option<Arc<Removals>>,
        records: Option<Arc<dyn BanRecords>>,
        peers: Arc<dyn Peers>,
        metrics: BanMetrics,
        audit: Audit,
        is_shared: bool,
    ) -> Arc<Self> {
        let restoring = records.map(|records| {
            let (store, removals) = (Arc::clone(&store), removals.clone());
            Arc::new(Restoring { store, removals, records, peers, metrics, is_shared })
        });
        let task = restoring.clone().map(|restoring| {
            let run = abort_on_panic::task("putting back bans", restoring.run());
            AbortOnDropHandle::new(tokio::spawn(run))
        });
        Arc::new(Self { store, removals, restoring, audit, _task: task })
    }

    /// Bans somebody, in place of an earlier ban of theirs. Whoever is inside under this identity is hidden at once, and LiveKit is
    /// told to remove them. Returns whether it has, or found nobody. If not, it is told again while they are inside.
    ///
    /// # Errors
    /// The ban does not hold; or it holds, and the database does not have it.
    pub async fn set(
        self: &Arc<Self>,
        room: &RoomName,
        identity: &Identity,
        ban: &Ban,
    ) -> Result<bool, BanError> {
        let mut act = Act::new(room, Action::ParticipantBanned, &ban.by).about(identity);
        act.is_hidden = self.hides(room, identity).await?;
        let (this, identity, ban) = (Arc::clone(self), identity.clone(), ban.clone());
        to_its_end(async move {
            let outcome = this.set_now(&act.room, &identity, &ban).await;
            this.tell(&act, outcome.as_ref().map(|_| ActOutcome::Done)).await;
            outcome
        })
        .await
    }

    /// Lifts a ban. Whoever is still inside is shown again. False if there is none.
    ///
    /// # Errors
    /// The ban still holds.
    pub async fn lift(
        self: &Arc<Self>,
        room: &RoomName,
        identity: &Identity,
        by: &str,
    ) -> Result<bool, BanError> {
        let mut act = Act::new(room, Action::BanLifted, by).about(identity);
        act.is_hidden = self.hides(room, identity).await?;
        let (this, identity) = (Arc::clone(self), identity.clone());
        to_its_end(async move {
            let outcome = this.lift_now(&act.room, &identity).await;
            let came_of_it =
                |&held: &bool| if held { ActOutcome::Done } else { ActOutcome::NotFound };
            this.tell(&act, outcome.as_ref().map(came_of_it)).await;
            outcome
        })
        .await
    }

    /// The bans of a room that hold now, in order of identity.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn list(&self, room: &RoomName) -> Result<Vec<(Identity, Ban)>, StoreError> {
        let Some(held) = self.store.read(room).await? else { return Ok(Vec::new()) };
        let now = self.store.now().await?;
        let bans = held.bans().filter(|(_, ban)| ban.holds_at(now));
        let mut bans: Vec<_> =
            bans.map(|(identity, ban)| (identity.clone(), ban.clone())).collect();
        bans.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(bans)
    }

    /// Whether somebody must not enter a room now.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn is_banned(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<bool, StoreError> {
        Ok(self.store.ban_of(room, identity).await?.is_some())
    }

    /// Whether somebody is inside whom clients may not see. The feed tells nothing of them.
    async fn hides(&self, room: &RoomName, identity: &Identity) -> Result<bool, StoreError> {
        Ok(self.store.read(room).await?.is_some_and(|room| room.hides(identity)))
    }

    /// A webhook shows that a banned person's session is inside. LiveKit is told to remove them; does not wait for that.
    pub fn entered(&self, event: &Event) {
        if let (Some(removals), Some(identity), Some(sid)) =
            (&self.removals, event.whose(), event.sid())
        {
            removals.found(&event.room, identity, sid);
        }
    }

    /// Puts back what the store has lost, before anything else happens.
    pub async fn restore(&self) {
        if let Some(restoring) = &self.restoring {
            restoring.restore_in_time().await;
        }
    }

    async fn set_now(
        &self,
        room: &RoomName,
        identity: &Identity,
        ban: &Ban,
    ) -> Result<bool, BanError> {
        self.check_number(room, identity).await?;
        let changed = self.store.ban(room, identity, Some(ban)).await?;
        let record = BanRecord { room: room.clone(), identity: identity.clone(), ban: ban.clone() };
        let (is_removed, recorded) =
            tokio::join!(self.remove(room, identity, &changed.inside), self.record(&record));
        recorded.map(|()| is_removed).map_err(BanError::NotRecorded)
    }

    async fn lift_now(&self, room: &RoomName, identity: &Identity) -> Result<bool, BanError> {
        // The database goes first: what it has is put back into the store.
        let was_recorded = match &self.restoring {
            Some(restoring) => {
                let deleted = timeout(RECORD_TIMEOUT, restoring.records.delete(room, identity));
                deleted.await.unwrap_or_else(|_| Err(RecordError::timed_out()))
            }
            None => Ok(None),
        };
        let was_recorded = was_recorded.map_err(BanError::StillRecorded)?;
        let changed = self.store.ban(room, identity, None).await?;
        let now = self.store.now().await?;
        let held = changed.before.or(was_recorded).is_some_and(|ban| ban.holds_at(now));
        Ok(held)
    }

    async fn tell(&self, act: &Act, outcome: Result<ActOutcome, &BanError>) {
        let error = outcome.err().map(|error| error as &(dyn Error + Send + Sync));
        self.audit.record(act, outcome.unwrap_or_else(ActOutcome::of_ban), error).await;
    }

    async fn check_number(&self, room: &RoomName, identity: &Identity) -> Result<(), BanError> {
        let held = self.store.read(room).await?;
        let is_full = held
            .is_some_and(|room| room.bans().count() >= MAX_BANS && room.ban_of(identity).is_none());
        if is_full { Err(BanError::TooMany) } else { Ok(()) }
    }

    async fn remove(
        &self,
        room: &RoomName,
        identity: &Identity,
        inside: &[ParticipantSid],
    ) -> bool {
        match &self.removals {
            Some(removals) => removals.remove_now(room, identity, inside).await,
            None => false,
        }
    }

    async fn record(&self, record: &BanRecord) -> Result<(), RecordError> {
        let Some(restoring) = &self.restoring else { return Ok(()) };
        let saved = timeout(RECORD_TIMEOUT, restoring.records.save(record)).await;
        saved.unwrap_or_else(|_| Err(RecordError::timed_out()))
    }
}
