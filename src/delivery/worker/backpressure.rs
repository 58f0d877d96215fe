//! What happens when a socket is full: its connection keeps the rest of one frame, and gets the newest of everything once the
//! socket drains.

use std::sync::Arc;

use mio::Interest;

use crate::{hub::Next, sse::Frame};

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Blocked, Ending, Phase, Tail, Written},
        pinned::Pin,
    },
    state::{Worker, short_key},
};

impl Worker {
    /// The socket was full and has drained: writes the rest of the frame under way, then what the connection is behind with.
    pub(super) fn on_writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Phase::Blocked(blocked) = &connection.phase else { return };
        let ending = blocked.ending;
        match connection.write_tail() {
            Ok(Written::Whole) => {}
            Ok(Written::Part(_)) => return,
            Err(error) => return self.close(key, CloseReason::of_write(&error)),
        }
        match ending {
            Ending::No => {
                if self.write_pending(key) {
                    self.catch_up(key);
                }
                // The client's messages may have waited until the answer to one was written.
                self.read_messages(key);
            }
            Ending::AfterTail => {
                self.unblock(key);
                self.write_last(key);
            }
            Ending::LastBegun => {
                self.unblock(key);
                self.finish(key);
            }
        }
    }

    /// Sends the newest of every topic that the connection is behind with.
    pub(super) fn catch_up(&mut self, key: usize) {
        for index in 0..self.connections[key].watches.as_slice().len() {
            let connection = &mut self.connections[key];
            let watch = &mut connection.watches.as_mut_slice()[index];
            let Some(content) = watch.subscription.topic().newest() else { continue };
            let frame = match watch.next_of(&content) {
                Next::Frame(frame) => frame.into_owned(),
                Next::Nothing => continue,
                Next::Lost => {
                    self.unblock(key);
                    return self.end_lagged(key);
                }
            };
            match connection.write(&frame) {
                Ok(Written::Part(0)) => return self.block(key, None, Ending::No),
                Ok(written) => {
                    connection.watches.as_mut_slice()[index].sent = Some(content.version());
                    let bytes = connection.framing.bytes_of(&frame).len();
                    self.count(1, bytes);
                    if let Written::Part(written) = written {
                        return self.block_after(key, &frame, written, Ending::No);
                    }
                }
                Err(error) => return self.close(key, CloseReason::of_write(&error)),
            }
        }
        self.unblock(key);
    }

    /// Writes a frame other than a snapshot's to an open connection. Tells whether all of it is out.
    pub(super) fn write_frame(&mut self, key: usize, frame: &Arc<Frame>, ending: Ending) -> bool {
        let connection = &mut self.connections[key];
        match connection.write(frame) {
            Ok(Written::Whole) => {
                let bytes = connection.framing.bytes_of(frame).len();
                self.count(1, bytes);
                true
            }
            Ok(Written::Part(written)) => {
                self.block_after(key, frame, written, ending);
                false
            }
            Err(error) => {
                self.close(key, CloseReason::of_write(&error));
                false
            }
        }
    }

    /// Notes that a socket took only a part of a frame, or nothing of it.
    pub(super) fn block_after(
        &mut self,
        key: usize,
        frame: &Arc<Frame>,
        written: usize,
        ending: Ending,
    ) {
        // If nothing of a frame was written, it is dropped: a newer one is sent once the socket drains. Only the last frame of a
        // stream is kept in any case.
        let keep = written > 0 || ending == Ending::LastBegun;
        let framing = self.connections[key].framing;
        let tail = keep.then(|| Tail::new(self.pin(key, frame), framing, written));
        self.block(key, tail, ending);
    }

    /// Counts a frame that a connection keeps. If that exceeds the bound, on whichever thread, the worker of the slowest client
    /// is told to cut it off.
    pub(super) fn pin(&self, key: usize, frame: &Arc<Frame>) -> Pin {
        let inbox = Arc::clone(&self.inbox);
        let key = short_key(key);
        let cut_off = move |pin| inbox.send(|mail| mail.cut_off.push((key, pin)));
        self.pinned.pin(frame, Box::new(cut_off))
    }

    pub(super) fn block(&mut self, key: usize, tail: Option<Tail>, ending: Ending) {
        self.forget_blocked(key);
        let since = self.now();
        let connection = &mut self.connections[key];
        connection.phase = Phase::Blocked(Box::new(Blocked { since, tail, ending }));
        self.blocked.insert((since, short_key(key)));
        self.metrics.slow_subscribers.inc();
        self.set_interest(key, Interest::READABLE | Interest::WRITABLE);
    }

    fn unblock(&mut self, key: usize) {
        if self.forget_blocked(key) {
            self.connections[key].phase = Phase::Open;
            self.set_interest(key, Interest::READABLE);
        }
    }

    pub(super) fn forget_blocked(&mut self, key: usize) -> bool {
        let Phase::Blocked(blocked) = &self.connections[key].phase else { return false };
        self.blocked.remove(&(blocked.since, short_key(key)))
    }
}
