//! A room as one worker sees it: the connections that watch it, and a fan-out to them that can be interrupted.

use std::sync::Arc;

use crate::hub::Topic;

/// A room that at least one of the worker's connections watches.
pub(super) struct WatchedRoom {
    pub topic: Arc<Topic>,
    members: Vec<Member>,
    fan_out: Option<FanOut>,
}

/// One of a connection's watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub connection: u32,
    pub watch: u32,
}

/// A fan-out under way. The members before the cursor have been visited; those after it have not.
#[derive(Clone, Copy, Debug)]
struct FanOut {
    cursor: usize,
    /// A newer snapshot came, so the visited members must be visited again.
    again: bool,
}

impl WatchedRoom {
    pub fn new(topic: Arc<Topic>) -> Self {
        Self { topic, members: Vec::new(), fan_out: None }
    }

    /// Adds a member that is up to date. Returns its position.
    pub fn enter(&mut self, member: Member) -> u32 {
        self.members.push(member);
        u32::try_from(self.members.len() - 1).expect("fewer than descriptors")
    }

    /// Removes the member at `position`. Returns the members that moved to fill the gap, with their new positions.
    pub fn leave(&mut self, position: u32) -> [Option<(Member, u32)>; 2] {
        let mut gap = position as usize;
        let mut moved = [None, None];
        if let Some(fan_out) = &mut self.fan_out
            && gap < fan_out.cursor
        {
            // The last visited member fills the gap, so that no unvisited one moves among the visited.
            fan_out.cursor -= 1;
            self.members.swap(gap, fan_out.cursor);
            if gap != fan_out.cursor {
                moved[0] = Some((self.members[gap], position));
            }
            gap = fan_out.cursor;
        }
        self.members.swap_remove(gap);
        if let Some(member) = self.members.get(gap) {
            moved[1] = Some((*member, u32::try_from(gap).expect("fewer than descriptors")));
        }
        moved
    }

    /// The watch of the member at `position` has another index from now on.
    pub fn set_watch(&mut self, position: u32, watch: u32) {
        self.members[position as usize].watch = watch;
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn is_fanning_out(&self) -> bool {
        self.fan_out.is_some()
    }

    /// Has every member visited from now on. Returns whether this started a fan-out; otherwise one was under way.
    pub fn start_fan_out(&mut self) -> bool {
        if let Some(fan_out) = &mut self.fan_out {
            fan_out.again = true;
            return false;
        }
        self.fan_out = Some(FanOut { cursor: 0, again: false });
        true
    }

    /// The next members to visit, at most `max`. Empty if all have been visited: then the fan-out is over.
    pub fn next_slice(&mut self, max: usize) -> &[Member] {
        let Some(fan_out) = &mut self.fan_out else { return &[] };
        if fan_out.cursor >= self.members.len() && fan_out.again {
            *fan_out = FanOut { cursor: 0, again: false };
        }
        let start = fan_out.cursor.min(self.members.len());
        let end = (start + max).min(self.members.len());
        fan_out.cursor = end;
        if start == end {
            self.fan_out = None;
        }
        &self.members[start..end]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn member(connection: u32) -> Member {
        Member { connection, watch: 0 }
    }

    fn room_of(count: u32) -> (WatchedRoom, Vec<u32>) {
        let mut room = WatchedRoom::new(Topic::for_test());
        let positions = (0..count).map(|connection| room.enter(member(connection))).collect();
        (room, positions)
    }

    fn leave(room: &mut WatchedRoom, positions: &mut [u32], connection: u32) {
        for (moved, position) in room.leave(positions[connection as usize]).into_iter().flatten() {
            positions[moved.connection as usize] = position;
        }
    }

    #[test]
    fn a_fan_out_visits_every_member_in_slices() {
        let (mut room, _) = room_of(10);
        assert!(room.start_fan_out());
        let mut visited = Vec::new();
        loop {
            let slice = room.next_slice(4);
            if slice.is_empty() {
                break;
            }
            assert!(slice.len() <= 4);
            visited.extend(slice.iter().map(|member| member.connection));
        }
        assert_eq!(visited, (0..10).collect::<Vec<_>>());
        assert!(!room.is_fanning_out());
    }

    #[test]
    fn a_snapshot_that_comes_during_a_fan_out_is_carried_to_those_visited_before_it() {
        let (mut room, _) = room_of(6);
        room.start_fan_out();
        room.next_slice(4);
        assert!(!room.start_fan_out());
        let mut visited = Vec::new();
        while room.is_fanning_out() {
            visited.extend(room.next_slice(4).iter().map(|member| member.connection));
        }
        assert_eq!(visited, [4, 5, 0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn members_that_leave_and_enter_during_a_fan_out_make_it_miss_no_other() {
        for seed in 0..2_000 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let count = rng.u32(1..40);
            let (mut room, mut positions) = room_of(count);
            let mut staying: HashSet<u32> = (0..count).collect();
            let mut visited = HashSet::new();
            room.start_fan_out();
            while room.is_fanning_out() {
                visited.extend(room.next_slice(3).iter().map(|member| member.connection));
                for _ in 0..rng.usize(..3) {
                    if let Some(leaver) = rng.choice(staying.iter().copied().collect::<Vec<_>>()) {
                        staying.remove(&leaver);
                        leave(&mut room, &mut positions, leaver);
                    }
                }
                if rng.bool() {
                    let newcomer = u32::try_from(positions.len()).unwrap();
                    positions.push(room.enter(member(newcomer)));
                    // A connection that comes during a fan-out is up to date.
                    visited.insert(newcomer);
                    staying.insert(newcomer);
                }
            }
            assert!(staying.is_subset(&visited), "seed {seed}");
            for connection in staying {
                let position = positions[connection as usize] as usize;
                assert_eq!(room.members[position].connection, connection, "seed {seed}");
            }
        }
    }
}
