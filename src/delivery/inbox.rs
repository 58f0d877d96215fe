//! What reaches a worker from other threads.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mio::Waker;

use crate::hub::Topic;

use super::handoff::{Handoff, Transport};

/// The mail of one worker, and how many connections it has or is about to have.
pub(super) struct Inbox {
    waker: Waker,
    mail: Mutex<Mail>,
    connections: AtomicUsize,
}

/// Bounded by what exists: each handed-off connection is here once, and each watched room and each pin at most once.
#[derive(Default)]
pub(super) struct Mail {
    pub handoffs: Vec<(Handoff, Transport)>,
    pub changed: Vec<Arc<Topic>>,
    /// The permits of streams that end for good: at most one for each stream that was opened since the worker looked.
    pub replaced: Vec<u32>,
    /// Connections that keep too much, each with the pin that is too much.
    pub cut_off: Vec<(u32, u64)>,
    pub drain: Option<Duration>,
    /// The worker has ended and takes nothing more.
    is_closed: bool,
}

impl Inbox {
    pub fn new(waker: Waker) -> Self {
        Self { waker, mail: Mutex::default(), connections: AtomicUsize::default() }
    }

    /// Puts something in. Wakes the worker unless there was mail already, for which it was woken.
    pub fn send(&self, put: impl FnOnce(&mut Mail)) {
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

    pub fn take(&self) -> Mail {
        std::mem::take(&mut *self.mail.lock().expect("never held in a panic"))
    }

    /// Takes no more mail from now on, unless there is some. Tells whether it is closed.
    pub fn close_if_empty(&self) -> bool {
        let mut mail = self.mail.lock().expect("never held in a panic");
        mail.is_closed = mail.is_empty();
        mail.is_closed
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Counts a connection that is about to come.
    pub fn connection_comes(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub fn connection_is_gone(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
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
