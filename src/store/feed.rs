//! What a follower of a room receives: the room's changes in order, or a gap in place of lost ones.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Notify, mpsc};

use crate::presence::Change;

/// Changes that wait for a follower. When there are more, it gets a gap instead, and reads the room again.
const QUEUE: usize = 64;

/// The receiving end, which a follower of the room holds. Dropping it ends the following.
pub struct Feed {
    changes: mpsc::Receiver<Arc<Change>>,
    gap: Arc<Flag>,
    roster: Arc<Flag>,
    _unfollow: Box<dyn Send + Sync>,
}

/// The sending end, which a store holds.
#[derive(Clone, Debug)]
pub struct FeedSender {
    changes: mpsc::Sender<Arc<Change>>,
    gap: Arc<Flag>,
    roster: Arc<Flag>,
}

/// Whether something happened since the follower last looked, such as a loss.
#[derive(Debug, Default)]
struct Flag {
    is_up: AtomicBool,
    rose: Notify,
}

impl Flag {
    fn raise(&self) {
        self.is_up.store(true, Ordering::Release);
        self.rose.notify_one();
    }

    fn take(&self) -> bool {
        self.is_up.swap(false, Ordering::AcqRel)
    }
}

/// What a follower receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedMessage {
    Changed(Arc<Change>),
    /// Changes were lost: the room must be read again.
    Gap,
    /// The roster of the room was changed, which is kept elsewhere.
    Roster,
}

/// Makes the two ends. `unfollow` is dropped with the receiving end.
pub fn feed(unfollow: impl Send + Sync + 'static) -> (FeedSender, Feed) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let (gap, roster) = <(Arc<Flag>, Arc<Flag>)>::default();
    let sending =
        FeedSender { changes: sender, gap: Arc::clone(&gap), roster: Arc::clone(&roster) };
    let receiving = Feed { changes: receiver, gap, roster, _unfollow: Box::new(unfollow) };
    (sending, receiving)
}

impl FeedSender {
    /// Sends a change, or a gap where the queue is full. Never waits.
    pub fn send(&self, change: &Arc<Change>) {
        if self.changes.try_send(Arc::clone(change)).is_err() {
            self.gap();
        }
    }

    /// Something was lost, or may have been.
    pub fn gap(&self) {
        self.gap.raise();
    }

    /// The roster of the room was changed. Any number of such messages that wait are one.
    pub fn roster(&self) {
        self.roster.raise();
    }
}

impl Feed {
    /// The next change, or a gap, or word of the roster. Ends with the store.
    pub async fn next(&mut self) -> Option<FeedMessage> {
        loop {
            if self.take_gap() {
                return Some(FeedMessage::Gap);
            }
            if self.roster.take() {
                return Some(FeedMessage::Roster);
            }
            tokio::select! {
                () = self.gap.rose.notified() => {}
                () = self.roster.rose.notified() => {}
                change = self.changes.recv() => {
                    let change = change?;
                    let is_gap = self.take_gap();
                    return Some(if is_gap { FeedMessage::Gap } else { FeedMessage::Changed(change) });
                }
            }
        }
    }

    /// Takes a gap, and with it the queued changes: they are older than the next reading of the room.
    fn take_gap(&mut self) -> bool {
        let is_gap = self.gap.take();
        if is_gap {
            while self.changes.try_recv().is_ok() {}
        }
        is_gap
    }
}
