//! Audits the history each minute: holds its open rows against the rooms of the store, and corrects what two audits in a row find
//! wrong. One instance at a time does it.
//!
//! It reads few rooms: those of which the history has another number of people inside than the store, and some of the others in
//! turn. A room that is not complete is compared with LiveKit's list first, where LiveKit can be asked.
//!
//! Nobody knows when people left while no instance ran. They are taken to have left with the last thing that the history was told
//! before, and before they joined again. Where their own webhook comes late, it says better.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::{info, warn};

use crate::{
    coordination::{Lease, LeaseToken, Peers},
    error_chain::Chain,
    presence::{Room, RoomName, StoreTime},
    reconcile::Reconciler,
    store::{HistoryItem, Outbox, Store, StoreError},
};

use super::{
    audit::{Audit, AuditedRows, Findings, Found},
    error::HistoryError,
    row::{InstanceRow, SessionRow},
};

const AUDIT_INTERVAL: Duration = Duration::from_mins(1);
/// Longer than the interval, so that no other instance takes the lease between two audits of the one that holds it.
const LEASE_TIME: Duration = Duration::from_secs(90);
/// A question takes milliseconds; a database that takes this long has stopped, or stops at the rows of one room.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(30);
/// Corrections in one transaction.
const MAX_CORRECTIONS: usize = 1_000;
/// Rooms that are read in one audit because they seem to disagree. The others have their turn in the next ones.
const MAX_DOUBTFUL: usize = 500;
/// Rooms that are read in one audit although they seem to agree.
const MAX_OTHERS: usize = 20;

/// The rows that an audit needs.
#[async_trait]
pub trait AuditedHistory: Send + Sync + 'static {
    /// The rooms that have open sessions or an unfinished life, each with the number of its open sessions.
    async fn open_rooms(&self) -> Result<HashMap<String, usize>, HistoryError>;

    /// The open sessions of a room, and those with one of these sids; its unfinished lives, and those of the sessions.
    async fn rows_of(
        &self,
        room: &RoomName,
        sids: &BTreeSet<String>,
    ) -> Result<(Vec<SessionRow>, Vec<InstanceRow>), HistoryError>;

    /// The newest time before `before` of which the rows tell; none if they tell of none. Milliseconds since the Unix epoch.
    async fn last_told(&self, before: i64) -> Result<Option<i64>, HistoryError>;

    /// Writes items into the rows.
    async fn correct(&self, corrections: Vec<HistoryItem>) -> Result<(), HistoryError>;
}

/// Why an audit could not go on.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
}

impl AuditError {
    /// Whether the rows of one room may be the cause.
    fn may_be_of_one_room(&self) -> bool {
        match self {
            Self::History(
                HistoryError::Refused(_) | HistoryError::Unreadable(_) | HistoryError::TimedOut,
            ) => true,
            Self::History(HistoryError::Away(_) | HistoryError::Schema(_)) | Self::Store(_) => {
                false
            }
        }
    }
}

/// The task that audits.
pub struct Auditor {
    history: Arc<dyn AuditedHistory>,
    store: Arc<dyn Store>,
    outbox: Arc<dyn Outbox>,
    peers: Arc<dyn Peers>,
    /// None where LiveKit cannot be asked.
    reconciler: Option<Reconciler>,
    metadata: bool,
    /// None while another instance audits.
    lease: Option<LeaseToken>,
    /// When the first audit was due: this process was just started.
    started_at: Option<StoreTime>,
    /// Whether what an audit finds may have happened before that.
    has_just_started: bool,
    /// When the last audit was due.
    audited_at: Option<StoreTime>,
    /// What the last audit of each room found.
    found: HashMap<RoomName, Findings>,
    /// Up to which name the rooms that seem to disagree were read.
    doubtful_read: Option<RoomName>,
    /// Up to which name the rooms that seem to agree were read.
    others_read: Option<RoomName>,
}

impl Auditor {
    pub fn new(
        history: Arc<dyn AuditedHistory>,
        store: Arc<dyn Store>,
        outbox: Arc<dyn Outbox>,
        peers: Arc<dyn Peers>,
        reconciler: Option<Reconciler>,
        metadata: bool,
    ) -> Self {
        Self {
            history,
            store,
            outbox,
            peers,
            reconciler,
            metadata,
            lease: None,
            started_at: None,
            has_just_started: true,
            audited_at: None,
            found: HashMap::new(),
            doubtful_read: None,
            others_read: None,
        }
    }

    pub async fn run(mut self) {
        let mut due = interval(AUDIT_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            if !self.takes_lease().await {
                continue;
            }
            if let Err(error) = self.audit().await {
                warn!(error = %Chain(&error), "cannot audit the history; trying again in a minute");
            }
        }
    }

    /// Takes the lease, or takes it anew if this instance holds it already. Returns whether it holds it now.
    async fn takes_lease(&mut self) -> bool {
        if let Some(held) = self.lease.take() {
            // If it cannot be given back, it ends by itself.
            _ = self.peers.release(&Lease::Audit, held).await;
        }
        self.lease = self.peers.lease(&Lease::Audit, LEASE_TIME).await.unwrap_or_default();
        if self.lease.is_none() {
            // Another instance audits, and has to find everything twice itself.
            self.found.clear();
            self.has_just_started = false;
        }
        self.lease.is_some()
    }

    /// Makes one audit. Returns how many rows it corrected.
    async fn audit(&mut self) -> Result<usize, AuditError> {
        let now = self.store.now().await?;
        let noticed_at = self.noticed_at(now).await?;
        let before = self.audited_at.replace(now);
        if let Some(before) = before
            && self.has_waited_since(before).await?
        {
            return Ok(0);
        }
        let mut corrected = 0;
        for name in self.rooms_to_read().await? {
            match self.audit_room(&name, noticed_at).await {
                Ok(count) => corrected += count,
                Err(error) if error.may_be_of_one_room() => {
                    // Fails if the database is away for all rooms.
                    in_time(self.history.open_rooms()).await?;
                    warn!(
                        room.name = %name,
                        error = %Chain(&error),
                        "cannot audit the history of a room; going on with the others"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(corrected)
    }

    /// When what this audit finds happened at the latest: now, or before the process was started.
    async fn noticed_at(&mut self, now: StoreTime) -> Result<i64, AuditError> {
        let as_millis = |time: StoreTime| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let started_at = *self.started_at.get_or_insert(now);
        if !self.has_just_started {
            return Ok(as_millis(now));
        }
        let told = in_time(self.history.last_told(as_millis(started_at))).await?;
        self.has_just_started = false;
        Ok(told.unwrap_or(as_millis(now)))
    }

    /// Whether something has waited in the outbox since then. It may be what the rows lack. What came later does not matter: it
    /// changes its rows before they are found a second time, and is newer than a correction.
    async fn has_waited_since(&self, then: StoreTime) -> Result<bool, AuditError> {
        if self.outbox.counts().waiting == 0 {
            return Ok(false);
        }
        let oldest = self.outbox.pending(1).await?;
        let mut items = oldest.iter().filter_map(|pending| pending.item.as_ref());
        Ok(items.any(|item| item.seq <= then.as_micros()))
    }

    /// Those of the rooms whose numbers differ and of the others that have their turn, and those in which something was found that
    /// is not corrected yet.
    async fn rooms_to_read(&mut self) -> Result<BTreeSet<RoomName>, AuditError> {
        let open = in_time(self.history.open_rooms()).await?;
        let listed: HashMap<_, _> = self
            .store
            .rooms()
            .await?
            .into_iter()
            .map(|room| (room.name.to_string(), room.count()))
            .collect();
        let parse = |name: &String| RoomName::parse(name).ok();
        let all: BTreeSet<_> = open.keys().chain(listed.keys()).filter_map(parse).collect();
        self.found.retain(|name, _| all.contains(name));
        let (doubtful, others): (Vec<_>, Vec<_>) =
            all.iter().partition(|name| open.get(name.as_str()) != listed.get(name.as_str()));
        let is_due =
            |found: &Findings| found.values().any(|found| matches!(found, Found::Since(_)));
        let due = self.found.iter().filter(|(_, found)| is_due(found)).map(|(name, _)| name);
        let mut rooms: BTreeSet<_> = due.take(MAX_DOUBTFUL).cloned().collect();
        rooms.extend(in_turn(&doubtful, &mut self.doubtful_read, MAX_DOUBTFUL));
        rooms.extend(in_turn(&others, &mut self.others_read, MAX_OTHERS));
        Ok(rooms)
    }

    /// Audits a room. What is wrong there happened no later than at `noticed_at`. Returns how many rows it corrected.
    async fn audit_room(&mut self, name: &RoomName, noticed_at: i64) -> Result<usize, AuditError> {
        let (room, sessions, instances) = self.read(name).await?;
        let now = self.store.now().await?;
        let room = room.as_deref();
        let audit = Audit {
            name,
            room,
            rows: AuditedRows { sessions: &sessions, instances: &instances },
            now,
            noticed_at,
            metadata: self.metadata,
            is_settled: self.is_right(room, now),
        };
        let before = self.found.remove(name).unwrap_or_default();
        let (found, corrections) = audit.run(&before);
        if found.is_empty() {
            return Ok(0);
        }
        if !audit.is_settled
            && let Some(reconciler) = &self.reconciler
        {
            reconciler.suspect(name);
        }
        let count = corrections.len();
        for some in corrections.chunks(MAX_CORRECTIONS) {
            in_time(self.history.correct(some.to_vec())).await?;
        }
        if count > 0 {
            info!(
                room.name = %name,
                rows = count,
                "corrected the history of a room: not all that happened there had reached it"
            );
        }
        self.found.insert(name.clone(), found);
        Ok(count)
    }

    /// A room, and the rows that may disagree with it.
    async fn read(
        &self,
        name: &RoomName,
    ) -> Result<(Option<Arc<Room>>, Vec<SessionRow>, Vec<InstanceRow>), AuditError> {
        let (sessions, instances) = in_time(self.history.rows_of(name, &BTreeSet::new())).await?;
        let room = self.store.read(name).await?;
        let inside = room.as_ref().map(|room| room.list()).unwrap_or_default();
        let without_row: BTreeSet<_> = inside
            .iter()
            .map(|one| one.sid.to_string())
            .filter(|sid| sessions.iter().all(|row| row.sid != *sid))
            .collect();
        if without_row.is_empty() {
            return Ok((room, sessions, instances));
        }
        let (sessions, instances) = in_time(self.history.rows_of(name, &without_row)).await?;
        Ok((room, sessions, instances))
    }

    /// Whether the room is right, as far as anybody can say.
    fn is_right(&self, room: Option<&Room>, now: StoreTime) -> bool {
        let is_right = |room: &Room| {
            let was_compared = room.compared_at() + AUDIT_INTERVAL * 2 > now;
            let completeness = room.completeness();
            completeness.is_complete_at(now) || was_compared && !completeness.is_partial()
        };
        self.reconciler.is_none() || room.is_some_and(is_right)
    }
}

/// At most `max` of these names, which are in order: those after the last one that was read, and from the beginning again.
fn in_turn(names: &[&RoomName], read: &mut Option<RoomName>, max: usize) -> Vec<RoomName> {
    let is_read = |name: &&RoomName| read.as_ref().is_some_and(|last| *name <= last);
    let (before, after) = names.split_at(names.partition_point(is_read));
    let some: Vec<_> = after.iter().chain(before).take(max).copied().cloned().collect();
    *read = some.last().cloned();
    some
}

/// What the database answers, if it does in time.
async fn in_time<T>(
    answer: impl Future<Output = Result<T, HistoryError>>,
) -> Result<T, HistoryError> {
    timeout(DATABASE_TIMEOUT, answer).await.unwrap_or(Err(HistoryError::TimedOut))
}
