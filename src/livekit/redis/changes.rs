//! What may have changed in LiveKit's Redis, kept for the one who reads it again. Equal changes that nobody has taken yet are one,
//! so that no more is kept than there are rooms that were read.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::Notify;

use crate::presence::RoomName;

/// What may be different now. Whoever still wants to know must read it again, which also is what makes LiveKit's Redis tell of the
/// next change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptChange {
    /// The people in a room.
    People(RoomName),
    /// Some room: that there is one, that there is none, or what it is like.
    Rooms,
    /// Anything, since what happened for a while is not known, or since everything was deleted.
    Everything,
}

/// The changes that were told and not taken.
#[derive(Default)]
pub(super) struct Changes {
    /// None while nobody receives them.
    pending: Mutex<Option<Pending>>,
    arrived: Notify,
}

#[derive(Default)]
struct Pending {
    everything: bool,
    rooms: bool,
    people: HashSet<RoomName>,
    /// The same rooms, the first that changed first.
    order: VecDeque<RoomName>,
    is_closed: bool,
}

impl Changes {
    /// Begins to keep changes, at first that anything may have changed.
    pub fn open(&self) {
        *self.lock() = Some(Pending { everything: true, ..Pending::default() });
        self.arrived.notify_one();
    }

    pub fn tell(&self, change: KeptChange) {
        if let Some(pending) = self.lock().as_mut() {
            pending.add(change);
            self.arrived.notify_one();
        }
    }

    /// Nobody tells any more.
    pub fn close(&self) {
        if let Some(pending) = self.lock().as_mut() {
            pending.is_closed = true;
            self.arrived.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Pending>> {
        self.pending.lock().expect("nothing panics while it is locked")
    }
}

impl Pending {
    fn add(&mut self, change: KeptChange) {
        match change {
            KeptChange::Everything => {
                *self = Self { everything: true, is_closed: self.is_closed, ..Self::default() };
            }
            // It says all that these do, and has not been taken yet.
            KeptChange::Rooms | KeptChange::People(_) if self.everything => {}
            KeptChange::Rooms => self.rooms = true,
            KeptChange::People(room) => {
                if self.people.insert(room.clone()) {
                    self.order.push_back(room);
                }
            }
        }
    }

    fn take(&mut self) -> Option<KeptChange> {
        if std::mem::take(&mut self.everything) {
            return Some(KeptChange::Everything);
        }
        if std::mem::take(&mut self.rooms) {
            return Some(KeptChange::Rooms);
        }
        let room = self.order.pop_front()?;
        self.people.remove(&room);
        Some(KeptChange::People(room))
    }
}

/// Receives changes. While there is none, nothing is kept for it.
pub struct KeptChanges {
    changes: Arc<Changes>,
}

impl KeptChanges {
    pub(super) fn new(changes: Arc<Changes>) -> Self {
        changes.open();
        Self { changes }
    }

    /// The next change; none if there will be no other. What it returns was told before this returns, so that a reading after it
    /// has the change.
    pub async fn next(&mut self) -> Option<KeptChange> {
        loop {
            {
                let mut pending = self.changes.lock();
                let pending = pending.as_mut()?;
                if let Some(change) = pending.take() {
                    return Some(change);
                }
                if pending.is_closed {
                    return None;
                }
            }
            self.changes.arrived.notified().await;
        }
    }
}

impl Drop for KeptChanges {
    fn drop(&mut self) {
        *self.changes.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn people(name: &str) -> KeptChange {
        KeptChange::People(RoomName::parse(name).unwrap())
    }

    /// What can be taken at once.
    fn taken(receiver: &mut KeptChanges) -> Vec<KeptChange> {
        std::iter::from_fn(|| receiver.next().now_or_never().flatten()).collect()
    }

    #[test]
    fn equal_changes_are_taken_once_in_the_order_of_the_first() {
        let changes = Arc::new(Changes::default());
        let mut receiver = KeptChanges::new(Arc::clone(&changes));
        assert_eq!(taken(&mut receiver), [KeptChange::Everything]);
        for change in [people("b"), people("a"), people("b"), KeptChange::Rooms] {
            changes.tell(change);
        }
        assert_eq!(taken(&mut receiver), [KeptChange::Rooms, people("b"), people("a")]);
        changes.tell(people("b"));
        assert_eq!(taken(&mut receiver), [people("b")]);
    }

    #[test]
    fn everything_stands_for_what_was_told_before_it_and_not_for_what_is_told_after_it_was_taken() {
        let changes = Arc::new(Changes::default());
        let mut receiver = KeptChanges::new(Arc::clone(&changes));
        changes.tell(people("a"));
        changes.tell(KeptChange::Everything);
        changes.tell(people("b"));
        assert_eq!(taken(&mut receiver), [KeptChange::Everything]);
        changes.tell(people("b"));
        assert_eq!(taken(&mut receiver), [people("b")]);
    }

    #[test]
    fn nothing_is_kept_while_nobody_receives() {
        let changes = Arc::new(Changes::default());
        let receiver = KeptChanges::new(Arc::clone(&changes));
        drop(receiver);
        changes.tell(people("a"));
        let mut receiver = KeptChanges::new(Arc::clone(&changes));
        assert_eq!(taken(&mut receiver), [KeptChange::Everything]);
        changes.close();
        assert_eq!(receiver.next().now_or_never(), Some(None));
    }
}
