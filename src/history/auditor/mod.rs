//! Audits the history each minute: holds its open rows against the rooms of the store, and corrects what two audits in a row find
//! wrong. One instance at a time does it.
//!
//! It reads few rooms: those of which the history has another number of people inside than the store, and some of the others in
//! turn. A room that is not complete is compared with LiveKit's list first, where LiveKit can be asked.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    error::Error,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::{
    coordination::{Lease, Peers},
    error_chain::Chain,
    presence::{Room, RoomName, StoreTime},
    reconcile::Reconciler,
    store::{HistoryItem, Outbox, Store},
};

use super::{
    audit::{Audit, AuditedRows, Findings},
    row::{InstanceRow, SessionRow},
};

const AUDIT_INTERVAL: Duration = Duration::from_mins(1);
/// Shorter than the interval, so that the instance that holds the lease takes it again.
const LEASE_TIME: Duration = Duration::from_secs(55);
/// Rooms that are read in one audit because they seem to disagree. The others wait for the next one.
const MAX_DOUBTFUL: usize = 500;
/// Rooms that are read in one audit although they seem to agree.
const MAX_OTHERS: usize = 20;

/// The rows that an audit needs.
#[async_trait]
pub trait AuditedHistory: Send + Sync + 'static {
    /// The rooms that have open sessions or an unfinished life, each with the number of its open sessions.
    async fn open_rooms(&self) -> Result<HashMap<String, usize>, AuditError>;

    /// The open sessions of a room, and those with one of these sids; its unfinished lives, and those of the sessions.
    async fn rows_of(
        &self,
        room: &RoomName,
        sids: &BTreeSet<String>,
    ) -> Result<(Vec<SessionRow>, Vec<InstanceRow>), AuditError>;

    /// Writes items into the rows.
    async fn correct(&self, corrections: Vec<HistoryItem>) -> Result<(), AuditError>;
}

/// Why an audit could not go on: the store or the database did not answer.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct AuditError(Box<dyn Error + Send + Sync>);

impl AuditError {
    pub fn new(source: impl Error + Send + Sync + 'static) -> Self {
        Self(Box::new(source))
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
    /// What the last audit found, of each room.
    found: HashMap<RoomName, Findings>,
    /// Up to which name the rooms that seem to agree were read.
    read_up_to: Option<RoomName>,
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
        let (found, read_up_to) = (HashMap::new(), None);
        Self { history, store, outbox, peers, reconciler, metadata, found, read_up_to }
    }

    pub async fn run(mut self) {
        let mut due = interval(AUDIT_INTERVAL);
        due.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            let lease = self.peers.lease(&Lease::Audit, LEASE_TIME).await;
            if !matches!(lease, Ok(Some(_))) {
                // Another instance audits, and has to find everything twice itself.
                self.found.clear();
                continue;
            }
            if let Err(error) = self.audit().await {
                warn!(error = %Chain(&error), "cannot audit the history; trying again in a minute");
            }
        }
    }

    /// Makes one audit. Returns how many rows it corrected.
    async fn audit(&mut self) -> Result<usize, AuditError> {
        // What waits there may be what the rows lack.
        if self.outbox.counts().waiting > 0 {
            return Ok(0);
        }
        let mut corrected = 0;
        for name in self.rooms_to_read().await? {
            corrected += self.audit_room(&name).await?;
        }
        Ok(corrected)
    }

    /// The rooms whose numbers differ, those in which something was found before, and some of the others.
    async fn rooms_to_read(&mut self) -> Result<BTreeSet<RoomName>, AuditError> {
        let open = self.history.open_rooms().await?;
        let listed = self.store.rooms().await.map_err(AuditError::new)?;
        let listed: HashMap<_, _> =
            listed.into_iter().map(|room| (room.name.to_string(), room.count())).collect();
        let all: BTreeSet<_> = open.keys().chain(listed.keys()).collect();
        let (doubtful, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|name| open.get(*name) != listed.get(*name));
        let parse = |name: &&String| RoomName::parse(name).ok();
        let mut rooms: BTreeSet<RoomName> = self.found.keys().cloned().collect();
        rooms.extend(doubtful.iter().filter_map(parse).take(MAX_DOUBTFUL));
        let others: Vec<_> = others.iter().filter_map(parse).collect();
        let is_later = |name: &&RoomName| Some(*name) > self.read_up_to.as_ref();
        let some: Vec<_> = others.iter().filter(is_later).take(MAX_OTHERS).cloned().collect();
        self.read_up_to = some.last().cloned();
        rooms.extend(some);
        Ok(rooms)
    }

    async fn audit_room(&mut self, name: &RoomName) -> Result<usize, AuditError> {
        let (room, sessions, instances) = self.read(name).await?;
        let now = self.store.now().await.map_err(AuditError::new)?;
        let room = room.as_deref();
        let audit = Audit {
            name,
            room,
            rows: AuditedRows { sessions: &sessions, instances: &instances },
            now,
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
        if count > 0 {
            self.history.correct(corrections).await?;
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
        let (sessions, instances) = self.history.rows_of(name, &BTreeSet::new()).await?;
        let room = self.store.read(name).await.map_err(AuditError::new)?;
        let inside = room.as_ref().map(|room| room.list()).unwrap_or_default();
        let without_row: BTreeSet<_> = inside
            .iter()
            .map(|one| one.sid.to_string())
            .filter(|sid| sessions.iter().all(|row| row.sid != *sid))
            .collect();
        if without_row.is_empty() {
            return Ok((room, sessions, instances));
        }
        let (sessions, instances) = self.history.rows_of(name, &without_row).await?;
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
