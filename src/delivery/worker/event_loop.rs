//! Waits for a worker's inputs, and has each handled.

use std::{
    io,
    time::{Duration, Instant},
};

use mio::{Events, Token, event::Event};

use super::{
    super::{close_reason::CloseReason, inbox::Mail},
    state::{Worker, millis},
};

/// The token of the waker; those of sockets are keys of the slab.
pub(in crate::delivery) const WAKE: Token = Token(usize::MAX);

impl Worker {
    /// Runs until drained.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        while !self.is_drained() {
            match self.poll.poll(&mut events, self.poll_timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The process ends: a worker that only stopped would leave its clients with silence.
                Err(error) => panic!("worker {} cannot wait for its sockets: {error}", self.index),
            }
            for event in &events {
                self.on_event(event);
            }
            self.on_mail();
            self.on_fan_outs();
            self.on_heartbeats();
            self.on_deadlines();
        }
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

    /// The time until the next deadline or heartbeat. None if the worker has only to wait for sockets and mail.
    fn poll_timeout(&self) -> Option<Duration> {
        if !self.fan_outs.is_empty() {
            return Some(Duration::ZERO);
        }
        let now = self.now();
        let timeout = millis(self.config.write_timeout);
        let deadlines = [
            self.ends.first().map(|(at, _)| *at),
            self.blocked.first().map(|(since, _)| since.saturating_add(timeout)),
            self.drained_at.filter(|at| *at > now),
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let until_deadline = deadline.map(|at| Duration::from_millis(at.saturating_sub(now)));
        let until_heartbeat =
            self.wheel.next_turn().map(|turn| turn.saturating_duration_since(Instant::now()));
        until_deadline.into_iter().chain(until_heartbeat).min()
    }
}
