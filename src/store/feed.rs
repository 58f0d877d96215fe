//! What a follower of a room receives: its changes in order, or word that some were lost.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use crate::presence::Change;

/// Changes that wait for a follower. When it falls this far behind it reads the room again instead.
const QUEUE: usize = 64;

/// The receiving end, held by whoever follows a room. Dropping it ends the following.
pub struct Feed {
    changes: mpsc::Receiver<Arc<Change>>,
    gap: Arc<AtomicBool>,
    _unfollow: Box<dyn Send + Sync>,
}

/// The sending end, held by a store.
#[derive(Clone, Debug)]
pub struct FeedSender {
    changes: mpsc::Sender<Arc<Change>>,
    gap: Arc<AtomicBool>,
}

/// What a follower receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FeedMessage {
    Changed(Arc<Change>),
    /// Changes were lost: the room must be read again.
    Gap,
}

/// Makes the two ends. `unfollow` is dropped with the receiving one.
pub fn feed(unfollow: impl Send + Sync + 'static) -> (FeedSender, Feed) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let gap = Arc::new(AtomicBool::new(false));
    let sending = FeedSender { changes: sender, gap: Arc::clone(&gap) };
    let receiving = Feed { changes: receiver, gap, _unfollow: Box::new(unfollow) };
    (sending, receiving)
}

impl FeedSender {
    /// Never waits. A full queue is a gap: its follower has something to receive, and will find the mark then.
    pub fn send(&self, change: &Arc<Change>) {
        if self.changes.try_send(Arc::clone(change)).is_err() {
            self.gap.store(true, Ordering::Release);
        }
    }
}

impl Feed {
    /// The next change, or a gap. Ends with the store.
    pub async fn next(&mut self) -> Option<FeedMessage> {
        if self.take_gap() {
            return Some(FeedMessage::Gap);
        }
        let change = self.changes.recv().await?;
        if self.take_gap() {
            return Some(FeedMessage::Gap);
        }
        Some(FeedMessage::Changed(change))
    }

    /// What is queued is older than the gap, and the room is read again anyway.
    fn take_gap(&mut self) -> bool {
        let is_gap = self.gap.swap(false, Ordering::AcqRel);
        if is_gap {
            while self.changes.try_recv().is_ok() {}
        }
        is_gap
    }
}
