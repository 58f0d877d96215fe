//! The last step to the browsers: a few threads that own their sockets and write frames to them.
//!
//! A connection here is a socket, the rooms it watches, and the version it was last sent of each. It has no task, no timer and
//! no queue; a frame costs it one `write`. HTTP is over when a connection arrives: its request was read, its response's head
//! comes with it.

mod connection;
mod metrics;
mod permit;
mod pinned;
mod room;
mod wheel;
mod worker;

pub use metrics::{CloseReason, DeliveryMetrics};
pub use permit::{Permit, PermitIssuer};
pub use pinned::{CutOff, Pin, Pinned};

use std::{
    io,
    net::TcpStream,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use mio::{Poll, Waker};
use tokio::sync::oneshot;

use crate::{
    abort_on_panic,
    clock::Clock,
    hub::{Subscription, Topic, Watchers},
    presence::Version,
    sse::Framing,
};

use worker::{WAKE, Worker};

/// More threads than this are not started: each is a bit in a room's topic.
const MAX_THREADS: usize = 64;

/// Subscribers of one room stay together on one thread until they are this many: then a change wakes one thread, not all.
const TOGETHER: usize = 256;

/// How connections are treated.
#[derive(Clone, Debug)]
pub struct DeliveryConfig {
    /// Zero: as many as processors.
    pub threads: usize,
    pub heartbeat: Duration,
    /// A frame must be finished within this time, whatever trickles.
    pub write_timeout: Duration,
}

/// An open stream on its way from the handler that opened it to the worker that will serve it.
pub struct Handoff {
    pub watches: Vec<HandoffWatch>,
    pub end: StreamEnd,
    /// Counts the stream until its connection is closed.
    pub permit: Permit,
}

/// One room that a stream watches.
pub struct HandoffWatch {
    pub subscription: Subscription,
    /// The version that the client says it has.
    pub has: Option<Version>,
}

/// What a handed-off stream is written to: a connection on which HTTP is over.
pub struct Transport {
    /// Non-blocking.
    pub socket: TcpStream,
    /// The response's head, not written yet.
    pub head: Vec<u8>,
    pub framing: Framing,
    /// Counts the connection until it is closed.
    pub permit: Permit,
}

/// When a stream ends at the latest, and why.
#[derive(Clone, Copy, Debug)]
pub struct StreamEnd {
    pub at: Instant,
    pub reason: CloseReason,
}

/// The delivery threads.
pub struct Workers {
    inboxes: Vec<Arc<Inbox>>,
    threads: Mutex<Vec<oneshot::Receiver<()>>>,
}

/// What reaches a thread from outside.
struct Inbox {
    waker: Waker,
    mail: Mutex<Mail>,
    connections: AtomicUsize,
}

/// Bounded by what exists: each handed-off connection is here once, each watched room at most once, and so is each pin.
#[derive(Default)]
struct Mail {
    handoffs: Vec<(Handoff, Transport)>,
    changed: Vec<Arc<Topic>>,
    /// PermitIssuer of streams that end for good. As many as streams were opened since the thread looked.
    replaced: Vec<u32>,
    /// Connections that keep too much, with the pins that are too much.
    cut_off: Vec<(u32, u64)>,
    drain: Option<Duration>,
    /// The thread has ended and takes nothing more.
    is_closed: bool,
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
        for index in 0..u32::try_from(wanted.min(MAX_THREADS)).unwrap_or(1) {
            let poll = Poll::new()?;
            let inbox = Arc::new(Inbox {
                waker: Waker::new(poll.registry(), WAKE)?,
                mail: Mutex::default(),
                connections: AtomicUsize::default(),
            });
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
                abort_on_panic::thread("a delivery thread", || worker.run());
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
        inbox.connections.fetch_add(1, Ordering::Relaxed);
        inbox.send(|mail| mail.handoffs.push((handoff, transport)));
    }

    /// Ends a stream for good: its identity has newer ones. Its permit must have been revoked before, for the case that it is not
    /// here yet.
    pub fn replace(&self, permit: u32) {
        for inbox in &self.inboxes {
            inbox.send(|mail| mail.replaced.push(permit));
        }
    }

    /// Ends all streams, spread evenly over `time`, and then the threads. Returns when that is done.
    pub async fn drain(&self, time: Duration) {
        for inbox in &self.inboxes {
            inbox.send(|mail| mail.drain = Some(time));
        }
        let threads = std::mem::take(&mut *self.threads.lock().expect("never held in a panic"));
        for finished in threads {
            // An error means that the thread is gone, which is what is waited for.
            let _ = finished.await;
        }
    }

    fn inbox_for(&self, handoff: &Handoff) -> &Inbox {
        let home = match handoff.watches.as_slice() {
            [watch] => watch.subscription.topic().home(TOGETHER),
            _ => None,
        };
        let least =
            || self.inboxes.iter().min_by_key(|inbox| inbox.connections.load(Ordering::Relaxed));
        home.and_then(|thread| self.inboxes.get(thread as usize))
            .or_else(least)
            .expect("there is at least one thread")
    }
}

impl Watchers for Workers {
    fn room_changed(&self, topic: &Arc<Topic>) {
        let mut untold = topic.take_untold();
        while untold != 0 {
            let thread = untold.trailing_zeros() as usize;
            untold &= untold - 1;
            self.inboxes[thread].send(|mail| mail.changed.push(Arc::clone(topic)));
        }
    }
}

impl Inbox {
    /// Wakes the thread unless there was mail already, of which it has been told.
    fn send(&self, put: impl FnOnce(&mut Mail)) {
        let mut mail = self.mail.lock().expect("never held in a panic");
        let was_empty = mail.is_empty();
        if mail.is_closed {
            return;
        }
        put(&mut mail);
        drop(mail);
        if was_empty {
            self.waker.wake().expect("an eventfd can be written to");
        }
    }

    /// Ends the thread's mail, unless there is some.
    fn close_if_empty(&self) -> bool {
        let mut mail = self.mail.lock().expect("never held in a panic");
        mail.is_closed = mail.is_empty();
        mail.is_closed
    }

    fn take(&self) -> Mail {
        std::mem::take(&mut *self.mail.lock().expect("never held in a panic"))
    }
}

impl Mail {
    fn is_empty(&self) -> bool {
        let Self { handoffs, changed, replaced, cut_off, drain, is_closed: _ } = self;
        handoffs.is_empty()
            && changed.is_empty()
            && replaced.is_empty()
            && cut_off.is_empty()
            && drain.is_none()
    }
}
