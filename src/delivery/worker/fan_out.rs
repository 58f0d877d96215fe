//! Carries a room's new snapshot to the connections that watch the room, a slice at a time.

use std::{io, sync::Arc};

use crate::{
    hub::{Content, Next, Topic},
    presence::Version,
    sse::Frame,
};

use super::{
    super::{
        close_reason::CloseReason,
        connection::{Ending, Phase, Written},
        watched_room::Member,
    },
    state::Worker,
};

/// Connections of one room that are visited before the next room has its turn.
const MAX_SLICE: usize = 128;

/// A connection that did not take a whole frame.
struct Stuck {
    member: Member,
    frame: Arc<Frame>,
    outcome: io::Result<Written>,
}

impl Worker {
    pub(super) fn on_changed(&mut self, topic: &Topic) {
        topic.heard(self.index);
        if let Some(room) = self.rooms.get_mut(&topic.id())
            && room.start_fan_out()
        {
            self.fan_outs.push_back(topic.id());
        }
    }

    /// Visits subscribers of changed rooms, until there are no more, or at least `max_visits`: the slice under way is finished.
    pub(super) fn on_fan_outs(&mut self, max_visits: usize) {
        let mut visits = 0;
        while visits < max_visits
            && let Some(room) = self.fan_outs.pop_front()
        {
            match self.fan_out(room) {
                0 => {}
                visited => {
                    visits += visited;
                    self.fan_outs.push_back(room);
                }
            }
        }
    }

    /// Visits the next slice of a room. Returns its size: zero when the fan-out is over.
    fn fan_out(&mut self, room: u64) -> usize {
        let now = self.now();
        let Some(room) = self.rooms.get_mut(&room) else { return 0 };
        let newest = room.topic.newest();
        let slice = room.next_slice(MAX_SLICE);
        let visited = slice.len();
        let Some(content) = newest else { return visited };
        let (mut frames, mut bytes) = (0_usize, 0);
        let (mut stuck, mut lost) = (Vec::new(), Vec::new());
        for member in slice {
            let connection = &mut self.connections[member.connection as usize];
            if !matches!(connection.phase, Phase::Open) {
                continue;
            }
            let watch = &connection.watches.as_slice()[member.watch as usize];
            let frame = match watch.next_of(&content) {
                Next::Frame(frame) => frame,
                Next::Nothing => continue,
                Next::Lost => {
                    lost.push(member.connection);
                    continue;
                }
            };
            match connection.write(&frame) {
                Ok(Written::Whole) => {
                    frames += 1;
                    bytes += connection.framing.bytes_of(&frame).len();
                    connection.was_sent(member.watch, content.version(), now);
                }
                outcome => {
                    let frame = frame.into_owned();
                    stuck.push(Stuck { member: *member, frame, outcome });
                }
            }
        }
        self.count(frames, bytes);
        if visited == 0 {
            self.observe_latency(&content);
        }
        self.after_slice(stuck, lost, content.version());
        visited
    }

    /// Sees to the connections of a slice that did not take a whole frame, and to those that could not be sent one.
    fn after_slice(&mut self, stuck: Vec<Stuck>, lost: Vec<u32>, version: Version) {
        for one in stuck {
            self.on_stuck(one, version);
        }
        for key in lost {
            self.end_lagged(key as usize);
        }
    }

    fn observe_latency(&self, content: &Content) {
        if let Some(received_at) = content.received_at() {
            self.metrics.latency.observe(self.clock.now().since(received_at).as_secs_f64());
        }
    }

    fn on_stuck(&mut self, Stuck { member, frame, outcome }: Stuck, version: Version) {
        let key = member.connection as usize;
        match outcome {
            Ok(Written::Part(written)) => {
                if written > 0 {
                    self.connections[key].watches.as_mut_slice()[member.watch as usize].sent =
                        Some(version);
                }
                self.block_after(key, &frame, written, Ending::No);
            }
            Ok(Written::Whole) => {}
            Err(error) => self.close(key, CloseReason::of_write(&error)),
        }
    }
}
