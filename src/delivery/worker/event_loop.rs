//! A worker's thread, and what other threads do of its work: a change of a small room reaches its subscribers on the thread that has
//! the change, without another one being woken.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, TryLockError},
    time::{Duration, Instant},
};

use mio::{Events, Poll, Token, event::Event};

use crate::abort_on_panic;

use super::{
    super::{
        close_reason::CloseReason,
        inbox::{Inbox, Mail, Put},
    },
    state::{Worker, millis},
};

/// The token of the waker; those of sockets are keys of the slab.
pub(in crate::delivery) const WAKE: Token = Token(usize::MAX);

/// After this many visits a worker's thread looks at its sockets again. The slice under way is finished first.
const MAX_VISITS: usize = 512;
/// After this many, a thread that has other work leaves the rest to the worker's own.
const MAX_VISITS_OF_OTHERS: usize = 256;

/// A worker, for its own thread and for those that give it something to do.
///
/// Whoever puts something into the inbox may do the work at once, unless another thread is at it. Each thread that was at it looks
/// into the inbox once more when it has let go of the worker, so nothing stays there: it was put in before the worker was found to
/// be taken.
pub(in crate::delivery) struct SharedWorker {
    pub(in crate::delivery) inbox: Arc<Inbox>,
    worker: Mutex<Worker>,
}

impl SharedWorker {
    pub fn new(inbox: Arc<Inbox>, worker: Worker) -> Self {
        Self { inbox, worker: Mutex::new(worker) }
    }

    /// Puts something in and sees to it on this thread, which takes some hundred visits at most: what is left after these is for
    /// the worker's own thread.
    pub fn do_now(&self, put: impl FnOnce(&mut Mail)) {
        if self.inbox.put(put) != Put::Closed {
            abort_on_panic::thread("a worker of streams", || self.see_to_inbox());
        }
    }

    fn see_to_inbox(&self) {
        for _ in 0..2 {
            let Some(mut worker) = self.try_lock() else { return };
            worker.on_mail();
            worker.on_fan_outs(MAX_VISITS_OF_OTHERS);
            let has_to_wake = worker.has_to_wake_thread();
            drop(worker);
            if has_to_wake {
                return self.inbox.wake();
            }
            if self.inbox.is_empty() {
                return;
            }
        }
        self.inbox.wake();
    }

    /// Runs the worker's thread until it is drained.
    pub fn run(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(1024);
        let mut timeout = Some(Duration::ZERO);
        loop {
            match poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The process ends: a worker that only stopped would leave its clients with silence.
                Err(error) => panic!("a worker cannot wait for its sockets: {error}"),
            }
            let mut worker = self.lock();
            worker.turn(&events);
            if worker.is_drained() {
                return;
            }
            timeout = worker.begin_to_wait();
            drop(worker);
            if !self.inbox.is_empty() {
                timeout = Some(Duration::ZERO);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Worker> {
        self.worker.lock().expect("a thread that fails at it ends the process")
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Worker>> {
        match self.worker.try_lock() {
            Ok(worker) => Some(worker),
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Poisoned(_)) => panic!("another thread failed at this worker"),
        }
    }
}

impl Worker {
    fn turn(&mut self, events: &Events) {
        for event in events {
            self.on_event(event);
        }
        self.on_mail();
        self.on_fan_outs(MAX_VISITS);
        self.on_heartbeats();
        self.on_deadlines();
    }

    fn on_event(&mut self, event: &Event) {
        if event.token() == WAKE {
            return;
        }
        let key = event.token().0;
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.on_readable(key);
        }
        if event.is_writable() {
            self.on_writable(key);
        }
    }

    fn on_mail(&mut self) {
        let Mail { handoffs, changed, replies, replaced, cut_off, drain, .. } = self.inbox.take();
        for (handoff, transport) in handoffs {
            self.adopt(handoff, transport);
        }
        for topic in changed {
            self.on_changed(&topic);
        }
        for (to, reply) in replies {
            self.on_reply(&to, reply);
        }
        for permit in replaced {
            if let Some(key) = self.by_permit.get(&permit) {
                self.end(*key as usize, CloseReason::Replaced);
            }
        }
        for (key, pin) in cut_off {
            // The connection may have let go of the frame meanwhile.
            if self.connections.get(key as usize).is_some_and(|one| one.keeps(pin)) {
                self.close(key as usize, CloseReason::PinnedBytes);
            }
        }
        if let Some(time) = drain {
            self.drain(time);
        }
    }

    /// The time for which the thread waits at most: until the next deadline or heartbeat. None if it has only to wait for sockets
    /// and mail.
    fn begin_to_wait(&mut self) -> Option<Duration> {
        self.thread_waits_until = self.next_due();
        if !self.fan_outs.is_empty() {
            return Some(Duration::ZERO);
        }
        self.thread_waits_until.map(|due| due.saturating_duration_since(Instant::now()))
    }

    /// Whether another thread has left something that is due before the thread of the worker wakes by itself.
    fn has_to_wake_thread(&self) -> bool {
        let is_earlier = |due| self.thread_waits_until.is_none_or(|until| due < until);
        let is_empty_after_drain = self.drained_at.is_some() && self.connections.is_empty();
        !self.fan_outs.is_empty() || is_empty_after_drain || self.next_due().is_some_and(is_earlier)
    }

    /// The next deadline or heartbeat.
    fn next_due(&self) -> Option<Instant> {
        let timeout = millis(self.config.write_timeout);
        let deadlines = [
            self.ends.first().map(|(at, _)| *at),
            self.blocked.first().map(|(since, _)| since.saturating_add(timeout)),
            self.drained_at.filter(|at| *at > self.now()),
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let deadline = deadline.and_then(|at| self.started.checked_add(Duration::from_millis(at)));
        deadline.into_iter().chain(self.wheel.next_turn()).min()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use mio::Waker;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::{
        clock::Clock,
        delivery::{DeliveryConfig, DeliveryMetrics, Pinned},
        hub::Topic,
    };

    const INDEX: u32 = 0;

    fn worker() -> (Arc<SharedWorker>, Poll) {
        let poll = Poll::new().unwrap();
        let inbox = Arc::new(Inbox::new(Waker::new(poll.registry(), WAKE).unwrap()));
        let (day, minute) = (Duration::from_hours(24), Duration::from_mins(1));
        let config = DeliveryConfig { threads: 1, heartbeat: day, write_timeout: minute };
        let registry = &mut Registry::default();
        let worker = Worker::new(
            INDEX,
            poll.registry().try_clone().unwrap(),
            Arc::clone(&inbox),
            config,
            DeliveryMetrics::register(registry),
            Clock::system(),
            Pinned::register(1_000_000, registry),
        );
        (Arc::new(SharedWorker::new(inbox, worker)), poll)
    }

    #[test]
    fn whatever_threads_put_in_at_the_same_time_is_seen_to() {
        let (shared, poll) = worker();
        let own = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.run(poll))
        };
        for _ in 0..2_000 {
            let topics = [(); 4].map(|()| Topic::for_test());
            thread::scope(|scope| {
                let shared = &shared;
                // So that the worker's own thread often has it, too.
                scope.spawn(|| (0..20).for_each(|_| shared.inbox.wake()));
                for topic in &topics {
                    topic.watch(INDEX);
                    scope.spawn(move || {
                        for _ in 0..5 {
                            if topic.take_untold() != 0 {
                                shared.do_now(|mail| mail.changed.push(Arc::clone(topic)));
                            }
                        }
                    });
                }
            });
            let deadline = Instant::now() + Duration::from_secs(20);
            while topics.iter().any(|topic| topic.is_on_its_way(INDEX)) {
                assert!(Instant::now() < deadline, "what was put in lies there");
                thread::yield_now();
            }
        }
        shared.inbox.send(|mail| mail.drain = Some(Duration::ZERO));
        own.join().unwrap();
        assert_eq!(shared.inbox.put(|_| ()), Put::Closed);
        shared.do_now(|_| panic!("nobody is there to take it"));
    }
}
