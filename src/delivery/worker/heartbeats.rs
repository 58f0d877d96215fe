//! Writes heartbeats to those that would be sent nothing for too long. At each turn, checks that the connection is up to date with
//! its rooms, and that a WebSocket's client has not left a message unfinished.

use std::{sync::Arc, time::Instant};

use tracing::error;

use crate::{
    hub::Next,
    sse::{self, Frame},
};

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Ending, Phase},
        watched_room::WatchedRoom,
    },
    state::{TURNS_IN_HEARTBEAT, Worker},
};

impl Worker {
    pub(super) fn on_heartbeats(&mut self) {
        let now = Instant::now();
        while let Some(keys) = self.wheel.take_turn(now) {
            let frame = Arc::new(sse::heartbeat(self.clock.now(), self.config.heartbeat));
            for key in keys {
                self.heartbeat(key as usize, &frame);
            }
        }
    }

    fn heartbeat(&mut self, key: usize, frame: &Arc<Frame>) {
        self.watch_end(key);
        if !matches!(self.connections[key].phase, Phase::Open) {
            return;
        }
        let now = self.now();
        if let Some(socket) = self.web_socket(key)
            && socket.is_stuck(now)
        {
            socket.break_off();
            return self.end(key, CloseReason::Incomplete);
        }
        if self.has_been_missed(key) {
            self.metrics.repaired.inc();
            error!(worker = self.index, "a stream was behind its room; it is brought up to date");
            self.catch_up(key);
            if !self.connections.get(key).is_some_and(|one| matches!(one.phase, Phase::Open)) {
                return;
            }
        }
        let turn = self.config.heartbeat / TURNS_IN_HEARTBEAT;
        if self.connections[key].silence.can_last(now, turn, self.config.heartbeat) {
            return;
        }
        let own = self.own_heartbeat(key);
        if self.write_frame(key, own.as_ref().unwrap_or(frame), Ending::No) {
            self.connections[key].silence.broken(now);
        }
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
