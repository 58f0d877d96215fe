//! How streams end: at their time, replaced by newer ones, in a drain, or because the client is gone or too slow.

use std::{ops::Range, sync::Arc, time::Duration};

use tracing::debug;

use crate::sse;

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Ending, NEVER, Phase},
        handoff::StreamEnd,
    },
    state::{Worker, millis, short_key},
};

/// How long the client has, after the last frame, to close the connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that has sent its first token in time is looked at again after this time, until the token is answered.
const TOKEN_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Each client is told a random delay from this range before it reconnects.
const RETRY_MILLIS: Range<u64> = 1_000..5_000;

impl Worker {
    pub(super) fn on_deadlines(&mut self) {
        let now = self.now();
        while let Some(&(at, key)) = self.ends.first()
            && at <= now
        {
            self.ends.pop_first();
            self.on_end(key as usize);
        }
        let timeout = millis(self.config.write_timeout);
        while let Some(&(since, key)) = self.blocked.first()
            && since.saturating_add(timeout) <= now
        {
            self.close(key as usize, CloseReason::WriteTimeout);
        }
        if self.drained_at.is_some_and(|at| at <= now) {
            self.close_what_is_left();
        }
    }

    fn on_end(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.awaits_answer_to_token() {
            return self.set_end(key, self.now() + millis(TOKEN_CHECK_INTERVAL));
        }
        connection.ends_at = NEVER;
        match &mut connection.phase {
            Phase::Open => self.write_last(key),
            Phase::Blocked(blocked) => {
                if blocked.ending == Ending::No {
                    blocked.ending = Ending::AfterTail;
                }
            }
            Phase::Closing => {
                let reason = connection.end_reason;
                self.close(key, reason);
            }
        }
    }

    /// Ends a stream for this reason, unless it is ending already.
    pub(super) fn end(&mut self, key: usize, reason: CloseReason) {
        let connection = &mut self.connections[key];
        if !connection.is_ending() {
            connection.end_reason = reason;
            self.set_end(key, self.now());
        }
    }

    /// The client may go on until then. A drain is not put off.
    pub(super) fn end_at(&mut self, key: usize, end: StreamEnd) {
        if self.drained_at.is_none() {
            let (at, reason) = self.end_of(end);
            self.connections[key].end_reason = reason;
            self.set_end(key, at);
        }
    }

    /// Ends a stream whose next content is no longer kept. Its client comes back for what it missed.
    pub(super) fn end_lagged(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.ends_at == NEVER {
            return;
        }
        connection.end_reason = CloseReason::Lagged;
        self.ends.remove(&(self.connections[key].ends_at, short_key(key)));
        self.on_end(key);
    }

    /// Begins the orderly end of an open connection.
    pub(super) fn write_last(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let reason = connection.end_reason;
        let id = (reason == CloseReason::Replaced).then_some(sse::REPLACED_ID);
        let frame = match &mut connection.web_socket {
            Some(socket) => socket.last(reason),
            None => Arc::new(sse::last_frame(reason.as_str(), id, retry_millis())),
        };
        if self.write_frame(key, &frame, Ending::LastBegun) {
            self.finish(key);
        }
    }

    /// The last frame is written. The client gets a moment to close the connection itself, because a reset from here could
    /// destroy data that it has not read. A WebSocket's client answers the last frame first.
    pub(super) fn finish(&mut self, key: usize) {
        let ends_at = self.now() + millis(CLOSE_TIMEOUT);
        let connection = &mut self.connections[key];
        connection.phase = Phase::Closing;
        let is_closed = connection.web_socket.as_ref().map(|socket| socket.is_closed());
        if is_closed != Some(false) && connection.shut_down_writing().is_err() {
            let reason = connection.end_reason;
            return self.close(key, reason);
        }
        self.set_end(key, ends_at);
        if is_closed == Some(true) {
            // What followed the client's close was left in the socket, and the socket does not tell of it again.
            self.read_messages(key);
        }
    }

    pub(super) fn close(&mut self, key: usize, reason: CloseReason) {
        self.forget_blocked(key);
        let connection = self.connections.remove(key);
        if connection.web_socket.is_some() {
            self.metrics.web_sockets_open.dec();
        }
        self.ends.remove(&(connection.ends_at, short_key(key)));
        self.by_permit.remove(&connection.permit.key());
        if let Some((moved, place)) = self.wheel.leave(connection.place) {
            self.connections[moved as usize].place = place;
        }
        for watch in connection.watches.as_slice() {
            self.unwatch(watch);
        }
        self.inbox.connection_is_gone();
        // Dropped before it is counted as closed: a closed stream must not hold permits or pins.
        drop(connection);
        self.metrics.closed(reason);
        debug!(reason = reason.as_str(), "closed a stream");
    }

    /// Has all streams end, spread evenly over `time`.
    pub(super) fn drain(&mut self, time: Duration) {
        let now = self.now();
        self.drained_at = Some(now + millis(time));
        for key in self.keys() {
            let at = now + fastrand::u64(..=millis(time));
            let connection = &mut self.connections[key];
            let ends_later = connection.ends_at > at && !matches!(connection.phase, Phase::Closing);
            if ends_later && connection.ends_at != NEVER {
                connection.end_reason = CloseReason::Drain;
                self.set_end(key, at);
            }
        }
    }

    fn close_what_is_left(&mut self) {
        for key in self.keys() {
            match self.connections[key].phase {
                Phase::Open => {
                    self.connections[key].end_reason = CloseReason::Drain;
                    self.write_last(key);
                }
                Phase::Blocked(_) => self.close(key, CloseReason::Drain),
                Phase::Closing => {}
            }
        }
    }

    pub(super) fn is_drained(&self) -> bool {
        let is_over = self.drained_at.is_some() && self.connections.is_empty();
        is_over && self.inbox.close_if_empty()
    }

    /// When a new stream ends, in the worker's milliseconds, and why.
    pub(super) fn end_of(&self, end: StreamEnd) -> (u64, CloseReason) {
        match self.drained_at {
            Some(_) => (self.now(), CloseReason::Drain),
            None => (millis(end.at.saturating_duration_since(self.started)), end.reason),
        }
    }

    fn keys(&self) -> Vec<usize> {
        self.connections.iter().map(|(key, _)| key).collect()
    }
}

/// How long a client is told to wait before it reconnects.
pub(super) fn retry_millis() -> u64 {
    fastrand::u64(RETRY_MILLIS)
}
