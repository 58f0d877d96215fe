//! What reaches a worker.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
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

/// How an inbox took something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It was empty.
    First,
    Further,
    /// The worker has ended, and what was to be put in was dropped.
    Closed,
}

impl Inbox {
    pub fn new(waker: Waker) -> Self {
        Self { waker, mail: Mutex::default(), connections: AtomicUsize::default() }
    }

    /// Puts something in, and wakes the worker's thread if the inbox was empty. If it was not, somebody is about to look into it.
    pub fn send(&self, put: impl FnOnce(&mut Mail)) {
        if self.put(put) == Put::First {
            self.wake();
        }
    }

    /// Puts something in. The caller sees to it that somebody looks into the inbox.
    pub fn put(&self, put: impl FnOnce(&mut Mail)) -> Put {
        let mut mail = self.mail();
        if mail.is_closed {
            return Put::Closed;
        }
        let was_empty = mail.is_empty();
        put(&mut mail);
        if was_empty { Put::First } else { Put::Further }
    }

    /// Wakes the worker's thread.
    pub fn wake(&self) {
        self.waker.wake().expect("an eventfd can be written to");
    }

    pub fn is_empty(&self) -> bool {
        self.mail().is_empty()
    }

    pub fn take(&self) -> Mail {
        std::mem::take(&mut *self.mail())
    }

    /// Closes the inbox if it is empty, and tells whether it is closed.
    pub fn close_if_empty(&self) -> bool {
        let mut mail = self.mail();
        mail.is_closed = mail.is_empty();
        mail.is_closed
    }

    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().expect("never held in a panic")
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
