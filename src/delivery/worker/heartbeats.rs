//! Writes heartbeats to those that would be sent nothing for too long, and checks before that they are up to date with their rooms. At
//! each turn, checks that a WebSocket's client has not left a message unfinished.

use std::{sync::Arc, time::Instant};

use tracing::error;

use crate::{
    hub::Next,
    sse::{self, Frame},
};

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Ending, Phase, Watches},
        watched_room::WatchedRoom,
    },
    state::{TURNS_IN_HEARTBEAT, Worker},
};

impl Worker {
    pub(super) fn on_heartbeats(&mut self) {
        // Of everybody who needs one now; most of the time nobody does.
        let mut frame = None;
        // Not later: turns that come meanwhile are for the next time, after what else the worker has to do.
        let due = Instant::now();
        while let Some(keys) = self.wheel.take_turn(due) {
            let now = self.now();
            for key in keys {
                self.on_turn(key as usize, now, &mut frame);
            }
        }
    }

    /// A connection that watches one room and was sent something lately is not looked at closely: that brought it up to date with the
    /// room as it was then, and what it missed since is found when its silence has nearly lasted for the time between heartbeats.
    fn on_turn(&mut self, key: usize, now: u64, frame: &mut Option<Arc<Frame>>) {
        self.watch_end(key, now);
        let connection = &mut self.connections[key];
        if !matches!(connection.phase, Phase::Open) {
            return;
        }
        if let Some(socket) = connection.web_socket.as_deref_mut()
            && socket.is_stuck(now)
        {
            socket.break_off();
            return self.end(key, CloseReason::Incomplete);
        }
        let watches_one = matches!(connection.watches, Watches::One(_));
        if watches_one && self.can_wait(key, now) {
            return;
        }
        if self.catch_up_if_missed(key) && !self.can_wait(key, now) {
            self.heartbeat(key, frame);
        }
    }

    fn heartbeat(&mut self, key: usize, frame: &mut Option<Arc<Frame>>) {
        let own = self.own_heartbeat(key);
        let everybodys = || Arc::new(sse::heartbeat(self.clock.now(), self.config.heartbeat));
        let frame = own.unwrap_or_else(|| Arc::clone(frame.get_or_insert_with(everybodys)));
        if self.write_frame(key, &frame, Ending::No) {
            let now = self.now();
            self.connections[key].silence.broken(now);
        }
    }

    /// Whether a heartbeat can wait for the next turn.
    fn can_wait(&self, key: usize, now: u64) -> bool {
        let turn = self.config.heartbeat / TURNS_IN_HEARTBEAT;
        self.connections[key].silence.can_last(now, turn, self.config.heartbeat)
    }

    /// Brings a connection that was missed up to date. Returns whether it can be sent something now.
    fn catch_up_if_missed(&mut self, key: usize) -> bool {
        if !self.has_been_missed(key) {
            return true;
        }
        self.metrics.repaired.inc();
        error!(worker = self.index, "a stream was behind its room; it is brought up to date");
        self.catch_up(key);
        self.connections.get(key).is_some_and(|one| matches!(one.phase, Phase::Open))
    }

    /// The heartbeat of what a connection watches, where it is not everybody's.
    fn own_heartbeat(&self, key: usize) -> Option<Arc<Frame>> {
        let [watch] = self.connections[key].watches.as_slice() else { return None };
        let newest = watch.subscription.topic().newest()?;
        newest.heartbeat_for(watch.sent).cloned()
    }

    /// Whether a connection is behind although no fan-out is about to bring it up to date.
    fn has_been_missed(&self, key: usize) -> bool {
        self.connections[key].watches.as_slice().iter().any(|watch| {
            let topic = watch.subscription.topic();
            let is_behind = topic
                .newest()
                .is_some_and(|newest| !matches!(watch.next_of(&newest), Next::Nothing));
            // Must come after the look at the content: by then the announcement of that content has begun or is over.
            let is_known = topic.is_on_its_way(self.index)
                || self.rooms.get(&topic.id()).is_some_and(WatchedRoom::is_fanning_out);
            is_behind && !is_known
        })
    }
}
