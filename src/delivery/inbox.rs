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

use super::{
    client_messages::{Addressee, Reply},
    handoff::{Handoff, Transport},
};

/// The mail of one worker, and how many connections it has or is about to have.
pub(super) struct Inbox {
    waker: Waker,
    mail: Mutex<Mail>,
    connections: AtomicUsize,
}

/// Needs no limit of its own: it holds each handed-off connection once, and each watched room, each replaced stream, each pin and
/// the reply to each WebSocket at most once.
#[derive(Default)]
pub(super) struct Mail {
    pub handoffs: Vec<(Handoff, Transport)>,
    pub changed: Vec<Arc<Topic>>,
    pub(super) replies: Vec<(Addressee, Reply)>,
    /// The permits of streams that end for good. Every worker gets all of them, because a permit does not tell which worker
    /// serves the stream.
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

    /// Puts something in, and wakes the worker if the inbox was empty. If it was not, the worker has been woken already.
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

    /// Closes the inbox if it is empty, and tells whether it is closed.
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
        let Self { handoffs, changed, replies, replaced, cut_off, drain, is_closed: _ } = self;
        handoffs.is_empty()
            && changed.is_empty()
            && replies.is_empty()
            && replaced.is_empty()
            && cut_off.is_empty()
            && drain.is_none()
    }
}
