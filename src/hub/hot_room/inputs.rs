//! What a hot room does with each of its inputs.

use std::{cmp::Ordering, time::Duration};

use tokio::time::Instant;
use tracing::debug;

use crate::{
    error_chain::Chain,
    presence::{Change, Version},
    store::Position,
};

use super::{
    super::metrics::ResyncCause,
    task::{CHECK_INTERVAL, HotRoom, RENEWAL_INTERVAL, jittered},
};

/// A change that was published before the room was read arrives at most this long after the reading.
const MAX_CHANGE_DELAY: Duration = Duration::from_secs(2);
/// The shortest time between two looks at the store on behalf of subscribers that claim a later version.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl HotRoom {
    /// Folds a change in. Returns why the room has to be read again instead, if it has to.
    pub(super) fn on_change(&mut self, change: &Change) -> Option<ResyncCause> {
        if change.version <= self.version {
            // After this time it cannot be a late one: the store's version fell back.
            let is_late = self.read_at.elapsed() <= MAX_CHANGE_DELAY;
            return (!is_late).then_some(ResyncCause::Fallback);
        }
        // The list that goes with this version is the store's, which never had the people who are kept here.
        let is_mended = self.knowledge.is_lost() && !change.is_lost;
        if change.prev != self.version || is_mended {
            return Some(ResyncCause::Gap);
        }
        let pending = self.pending.get_or_insert_default();
        self.list.fold(change, &mut pending.diff);
        pending.received_at = pending.received_at.or(change.received_at);
        if change.joined.iter().chain(&change.updated).any(|one| one.profile.is_being_called()) {
            self.shared.lookup.somebody_is_called(self.room.name());
        }
        if change.received_at.is_some()
            && let Some(watched) = &self.watched
        {
            watched.heard();
        }
        self.version = change.version;
        self.knowledge.told(change.completeness);
        if change.completeness.is_partial() {
            self.shared.lookup.suspect(self.room.name());
        }
        // Within a window the change stays pending, and the task publishes it when the window ends.
        if Instant::now() >= self.window_ends {
            self.publish();
        }
        None
    }

    /// A comparison with LiveKit's list has ended. The store may be ahead of the list held here, so its position is read first.
    pub(super) async fn on_confirmed(&mut self) {
        match self.shared.lookup.store.position(self.room.name()).await {
            Ok(stored) => {
                if version_of(stored) == self.version {
                    self.is_as_stored(stored).await;
                }
            }
            Err(error) => self.on_store_error(&error),
        }
    }

    /// The feed may have lost a message without noticing.
    pub(super) async fn on_check(&mut self) {
        self.next_check = Instant::now() + jittered(CHECK_INTERVAL);
        match self.shared.lookup.store.position(self.room.name()).await {
            Ok(stored) => match version_of(stored).cmp(&self.version) {
                // Perhaps the change is only late. Reading the room again does no harm then.
                Ordering::Greater => self.resync(ResyncCause::Check).await,
                Ordering::Less => self.resync(ResyncCause::Fallback).await,
                Ordering::Equal => self.is_as_stored(stored).await,
            },
            Err(error) => self.on_store_error(&error),
        }
        if Instant::now() >= self.next_renewal {
            self.next_renewal = Instant::now() + RENEWAL_INTERVAL;
            if let Err(error) = self.shared.lookup.store.renew(self.room.name()).await {
                self.on_store_error(&error);
            }
        }
    }

    /// Subscribers claim that they were sent a later version elsewhere. Anybody can claim that, so it is not believed: one look
    /// at the store's position answers all of them.
    pub(super) async fn on_behind(&mut self) {
        self.look_at = None;
        self.look_not_before = Instant::now() + LOOK_INTERVAL;
        let look = self.room.begin_look();
        let stored = match self.shared.lookup.store.position(self.room.name()).await {
            Ok(stored) => version_of(stored),
            Err(error) => {
                debug!(room.name = %self.room.name(), error = %Chain(&error), "cannot look for a later version");
                return;
            }
        };
        match stored.cmp(&self.version) {
            Ordering::Greater => self.resync(ResyncCause::Subscriber).await,
            Ordering::Less => self.resync(ResyncCause::Fallback).await,
            Ordering::Equal => {}
        }
        self.room.end_look(look, stored.max(self.version));
    }

    /// The store has the same version as this room.
    async fn is_as_stored(&mut self, stored: Option<Position>) {
        let lookup = &self.shared.lookup;
        let completeness = lookup.completeness(self.room.name(), stored);
        if self.knowledge.is_lost() && !completeness.is_partial() {
            return self.resync(ResyncCause::Check).await;
        }
        // If the store does not hold the room, it may have lost everybody in it.
        let is_settled = self.version != Version::ZERO
            || lookup.reconciler.is_none()
            || lookup.is_complete(completeness);
        self.told(completeness);
        if is_settled && self.published == self.version && self.room.take_subscribers_ahead() {
            self.settle();
        }
    }
}

fn version_of(stored: Option<Position>) -> Version {
    stored.map_or(Version::ZERO, |stored| stored.version)
}
