//! Lets the steps of one room take turns inside an instance. Each step leaves the rows that it read or wrote to the next one,
//! which then has to read only what is missing. The kept bytes are bounded.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::presence::RoomName;

use super::rows::HeldRows;

type TurnCell = Arc<Turn<Option<HeldRows>>>;

/// Memory counted for a room of which nothing is kept.
const TURN_BYTES: usize = 300;

pub(super) struct Turns {
    rooms: Mutex<Rooms>,
    max_bytes: usize,
}

/// Rooms that were used lately, and older ones. When the young take up half of what may be kept, the old go, and the young become
/// old.
#[derive(Default)]
struct Rooms {
    young: HashMap<RoomName, Kept>,
    old: HashMap<RoomName, Kept>,
    young_bytes: usize,
}

struct Kept {
    cell: TurnCell,
    bytes: usize,
}

/// A turn. A step takes the kept rows out, and puts rows back only when it has ended well. So a cancelled step leaves nothing
/// outdated behind.
pub(super) struct RoomTurn<'turns> {
    turns: &'turns Turns,
    room: RoomName,
    held: OwnedMutexGuard<Option<HeldRows>>,
}

impl Turns {
    pub fn new(max_bytes: usize) -> Self {
        Self { rooms: Mutex::default(), max_bytes }
    }

    /// Waits for the room's turn.
    pub async fn take(&self, room: &RoomName) -> RoomTurn<'_> {
        let cell = self.rooms().cell(room);
        RoomTurn { turns: self, room: room.clone(), held: cell.lock_owned().await }
    }

    /// The room's turn, if it is free.
    pub fn take_now(&self, room: &RoomName) -> Option<RoomTurn<'_>> {
        let cell = self.rooms().cell(room);
        Some(RoomTurn { turns: self, room: room.clone(), held: cell.try_lock_owned().ok()? })
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        let rooms = self.rooms();
        rooms.young.values().chain(rooms.old.values()).map(|kept| kept.bytes).sum()
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("nothing panics while it is locked")
    }
}

impl RoomTurn<'_> {
    /// The rows kept from an earlier step.
    pub fn take_held(&mut self) -> Option<HeldRows> {
        self.held.take()
    }

    /// Keeps rows for the next step, unless this room alone would take up more than half of the memory for all.
    pub fn put(&mut self, held: HeldRows) {
        let bytes = held.bytes();
        if bytes <= self.turns.max_bytes / 2 {
            *self.held = Some(held);
            self.turns.rooms().weigh(&self.room, bytes, self.turns.max_bytes);
        }
    }
}

impl Rooms {
    fn cell(&mut self, room: &RoomName) -> TurnCell {
        if let Some(kept) = self.young.get(room) {
            return Arc::clone(&kept.cell);
        }
        let kept = self
            .old
            .remove(room)
            .unwrap_or_else(|| Kept { cell: TurnCell::default(), bytes: TURN_BYTES });
        self.young_bytes += kept.bytes;
        let cell = Arc::clone(&kept.cell);
        self.young.insert(room.clone(), kept);
        cell
    }

    fn weigh(&mut self, room: &RoomName, bytes: usize, max_bytes: usize) {
        let bytes = bytes + TURN_BYTES;
        if let Some(kept) = self.young.get_mut(room) {
            self.young_bytes = self.young_bytes + bytes - kept.bytes;
            kept.bytes = bytes;
        } else if let Some(kept) = self.old.get_mut(room) {
            kept.bytes = bytes;
        }
        if self.young_bytes > max_bytes / 2 {
            let young = std::mem::take(&mut self.young);
            let old = std::mem::replace(&mut self.old, young);
            // A room whose turn is taken stays, so that no second turn of it is given out.
            let is_on = |kept: &Kept| Arc::strong_count(&kept.cell) > 1;
            self.young = old.into_iter().filter(|(_, kept)| is_on(kept)).collect();
            self.young_bytes = self.young.values().map(|kept| kept.bytes).sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(number: usize) -> RoomName {
        RoomName::parse(&format!("room-{number}")).unwrap()
    }

    fn held() -> HeldRows {
        HeldRows::from_fields([]).unwrap()
    }

    #[tokio::test]
    async fn what_a_step_wrote_is_there_for_the_next_one() {
        let turns = Turns::new(100_000);
        turns.take(&room(1)).await.put(held());
        assert!(turns.take(&room(2)).await.take_held().is_none());
        let mut turn = turns.take(&room(1)).await;
        assert!(turn.take_held().is_some());
        drop(turn);
        assert!(turns.take(&room(1)).await.take_held().is_none(), "it was not put back");
    }

    #[tokio::test]
    async fn the_kept_bytes_are_bounded_and_recently_used_rooms_stay() {
        let turns = Turns::new(20_000);
        for number in 0..1_000 {
            turns.take(&room(number)).await.put(held());
            let mut turn = turns.take(&room(0)).await;
            let first = turn.take_held().expect("it is used all the time");
            turn.put(first);
            assert!(turns.bytes() <= 20_000 + 2_000, "{}", turns.bytes());
        }
        assert!(turns.take(&room(999)).await.take_held().is_some());
        assert!(turns.take(&room(500)).await.take_held().is_none());
    }

    #[tokio::test]
    async fn a_room_has_one_turn_at_a_time_also_when_it_is_about_to_be_dropped() {
        let turns = Turns::new(10_000);
        let _turn = turns.take(&room(0)).await;
        for number in 1..100 {
            turns.take(&room(number)).await.put(held());
        }
        let first = room(0);
        let another = futures_util::FutureExt::now_or_never(turns.take(&first));
        assert!(another.is_none());
    }
}
