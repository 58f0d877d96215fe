//! All workers of this instance: starts their threads, and gives each stream to one of them.

use std::{
    io,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use mio::{Poll, Waker};
use tokio::sync::oneshot;

use crate::{
    abort_on_panic,
    clock::Clock,
    hub::{Topic, Watchers},
};

use super::{
    config::DeliveryConfig,
    handoff::{Handoff, Transport},
    inbox::Inbox,
    metrics::DeliveryMetrics,
    pinned::Pinned,
    worker::{WAKE, Worker},
};

/// Each worker is a bit in a room's topic.
const MAX_WORKERS: usize = 64;

/// While a topic has fewer subscribers than this, a new one goes to a worker that already serves the topic, so that a change wakes
/// one worker rather than all.
const MAX_TOGETHER: usize = 256;

/// The workers, as other threads see them.
pub struct Workers {
    inboxes: Vec<Arc<Inbox>>,
    /// Each resolves when its thread has ended.
    threads: Mutex<Vec<oneshot::Receiver<()>>>,
}

impl Workers {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gave no poll or no thread.
    pub fn start(
        config: &DeliveryConfig,
        metrics: &DeliveryMetrics,
        clock: &Clock,
        pinned: &Arc<Pinned>,
    ) -> io::Result<Arc<Self>> {
        let wanted = match config.threads {
            0 => thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let (mut inboxes, mut threads) = (Vec::new(), Vec::new());
        for index in 0..u32::try_from(wanted.min(MAX_WORKERS)).unwrap_or(1) {
            let poll = Poll::new()?;
            let inbox = Arc::new(Inbox::new(Waker::new(poll.registry(), WAKE)?));
            let worker = Worker::new(
                index,
                poll,
                Arc::clone(&inbox),
                config.clone(),
                metrics.clone(),
                clock.clone(),
                Arc::clone(pinned),
            );
            let (done, finished) = oneshot::channel();
            thread::Builder::new().name(format!("delivery-{index}")).spawn(move || {
                abort_on_panic::thread("a worker of streams", || worker.run());
                let _ = done.send(());
            })?;
            inboxes.push(inbox);
            threads.push(finished);
        }
        Ok(Arc::new(Self { inboxes, threads: Mutex::new(threads) }))
    }

    /// Takes over a stream and its connection.
    pub fn adopt(&self, handoff: Handoff, transport: Transport) {
        let inbox = self.inbox_for(&handoff);
        inbox.connection_comes();
        inbox.send(|mail| mail.handoffs.push((handoff, transport)));
    }

    /// Ends a stream for good, because its identity has newer ones. The caller must have revoked its permit: the stream may still
    /// be on its way to a worker.
    pub fn replace(&self, permit: u32) {
        for inbox in &self.inboxes {
            inbox.send(|mail| mail.replaced.push(permit));
        }
    }

    /// Ends all streams, spread over `time`, then the threads. Returns when that is done.
    pub async fn drain(&self, time: Duration) {
        for inbox in &self.inboxes {
            inbox.send(|mail| mail.drain = Some(time));
        }
        let threads = std::mem::take(&mut *self.threads.lock().expect("never held in a panic"));
        for finished in threads {
            // An error means that the thread is gone, too.
            let _ = finished.await;
        }
    }

    /// For a stream of one room: a worker that already serves the room, if there is one. Otherwise the worker with the fewest
    /// connections.
    fn inbox_for(&self, handoff: &Handoff) -> &Inbox {
        let home = match handoff.watches.as_slice() {
            [watch] => watch.subscription.topic().home(MAX_TOGETHER),
            _ => None,
        };
        let least = || self.inboxes.iter().min_by_key(|inbox| inbox.connections());
        home.and_then(|worker| self.inboxes.get(worker as usize))
            .or_else(least)
            .expect("there is at least one worker")
    }
}

impl Watchers for Workers {
    fn topic_changed(&self, topic: &Arc<Topic>) {
        let mut untold = topic.take_untold();
        while untold != 0 {
            let worker = untold.trailing_zeros() as usize;
            untold &= untold - 1;
            self.inboxes[worker].send(|mail| mail.changed.push(Arc::clone(topic)));
        }
    }
}
