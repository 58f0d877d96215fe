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
    inbox::{Inbox, Mail},
    metrics::DeliveryMetrics,
    pinned::Pinned,
    worker::{SharedWorker, WAKE, Worker},
};

/// Each worker is a bit in a room's topic.
const MAX_WORKERS: usize = 64;

/// While a topic has fewer subscribers than this, a new one goes to a worker that already serves the topic, so that a change wakes
/// one worker rather than all.
const MAX_TOGETHER: usize = 256;

/// The workers, as other threads see them.
pub struct Workers {
    workers: Vec<Arc<SharedWorker>>,
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
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for index in 0..u32::try_from(wanted.min(MAX_WORKERS)).unwrap_or(1) {
            let poll = Poll::new()?;
            let inbox = Arc::new(Inbox::new(Waker::new(poll.registry(), WAKE)?));
            let worker = Worker::new(
                index,
                poll.registry().try_clone()?,
                Arc::clone(&inbox),
                config.clone(),
                metrics.clone(),
                clock.clone(),
                Arc::clone(pinned),
            );
            let worker = Arc::new(SharedWorker::new(inbox, worker));
            workers.push(Arc::clone(&worker));
            let (done, finished) = oneshot::channel();
            thread::Builder::new().name(format!("delivery-{index}")).spawn(move || {
                abort_on_panic::thread("a worker of streams", || worker.run(poll));
                let _ = done.send(());
            })?;
            threads.push(finished);
        }
        Ok(Arc::new(Self { workers, threads: Mutex::new(threads) }))
    }

    /// Takes over a stream and its connection.
    pub fn adopt(&self, handoff: Handoff, transport: Transport) {
        let worker = self.worker_for(&handoff);
        worker.inbox.connection_comes();
        worker.do_now(|mail| mail.handoffs.push((handoff, transport)));
    }

    /// Ends a stream for good, because its identity has newer ones. The caller must have revoked its permit: the stream may still
    /// be on its way to a worker.
    pub fn replace(&self, permit: u32) {
        for worker in &self.workers {
            worker.inbox.send(|mail| mail.replaced.push(permit));
        }
    }

    /// Ends all streams, spread over `time`, then the threads. Returns when that is done.
    pub async fn drain(&self, time: Duration) {
        for worker in &self.workers {
            worker.inbox.send(|mail| mail.drain = Some(time));
        }
        let threads = std::mem::take(&mut *self.threads.lock().expect("never held in a panic"));
        for finished in threads {
            // An error means that the thread is gone, too.
            let _ = finished.await;
        }
    }

    /// For a stream of one room: a worker that already serves the room, if there is one. Otherwise the worker with the fewest
    /// connections.
    fn worker_for(&self, handoff: &Handoff) -> &SharedWorker {
        let home = match handoff.watches.as_slice() {
            [watch] => watch.subscription.topic().home(MAX_TOGETHER),
            _ => None,
        };
        let least = || self.workers.iter().min_by_key(|worker| worker.inbox.connections());
        home.and_then(|worker| self.workers.get(worker as usize))
            .or_else(least)
            .expect("there is at least one worker")
    }
}

impl Watchers for Workers {
    fn topic_changed(&self, topic: &Arc<Topic>) {
        let is_small = topic.is_small(MAX_TOGETHER);
        let mut untold = topic.take_untold();
        while untold != 0 {
            let worker = &self.workers[untold.trailing_zeros() as usize];
            untold &= untold - 1;
            let put = |mail: &mut Mail| mail.changed.push(Arc::clone(topic));
            match is_small {
                true => worker.do_now(put),
                false => worker.inbox.send(put),
            }
        }
    }
}
