//! Which room is compared with LiveKit's list next.
//!
//! Pure: callers pass the time. Each room is here once, and one comparison of it at a time is under way. Rooms of one importance
//! are served in the order in which they became due.

use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

use crate::presence::RoomName;

/// Why a room has to be compared, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Importance {
    /// A client waits for it.
    Waiting,
    /// It is watched, and something about it was missed.
    Suspicious,
    /// It is watched, and somebody is called in it by telephone: no webhook will tell how that ends.
    Calling,
    /// It is watched, and was not confirmed for a while.
    Watched,
    /// It is not watched, and something may have been missed.
    Known,
    /// Only the list of rooms shows it.
    Listed,
}

impl Importance {
    const ALL: [Self; 6] =
        [Self::Waiting, Self::Suspicious, Self::Calling, Self::Watched, Self::Known, Self::Listed];
}

/// Rooms in the queue. Beyond this the least important are left out, because a client that reads one of them asks again.
const MAX_ROOMS: usize = 50_000;

/// The rooms to be compared.
#[derive(Debug, Default)]
pub struct Queue {
    rooms: HashMap<RoomName, Entry>,
    /// By importance.
    lines: [Line; Importance::ALL.len()],
    next_ticket: u64,
}

/// The waiting rooms, ordered by when they became due, and then by when they were added.
type Line = BTreeMap<(Instant, u64), RoomName>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct QueuePosition {
    importance: Importance,
    at: (Instant, u64),
    /// The latest time for which it was wanted.
    newest: Instant,
}

/// A room whose turn it may be.
#[derive(Clone, Copy, Debug)]
pub struct Due<'queue> {
    pub room: &'queue RoomName,
    pub importance: Importance,
    pub since: Instant,
    /// The latest time for which it was wanted.
    pub newest: Instant,
}

#[derive(Debug, Default)]
struct Entry {
    watchers: usize,
    /// Its place in a line, or, while it is compared, the place that it gets afterwards.
    place: Option<QueuePosition>,
    is_running: bool,
    /// The place that it had before the comparison under way.
    left: Option<QueuePosition>,
}

impl Queue {
    /// Somebody watches the room: from now on it is compared regularly, for the first time at `due`.
    pub fn watch(&mut self, room: &RoomName, due: Instant) {
        self.rooms.entry(room.clone()).or_default().watchers += 1;
        self.want(room, Importance::Watched, due);
    }

    pub fn unwatch(&mut self, room: &RoomName) {
        let Some(entry) = self.rooms.get_mut(room) else { return };
        entry.watchers = entry.watchers.saturating_sub(1);
        let was_only_watched = entry.place.is_some_and(|place| {
            matches!(place.importance, Importance::Watched | Importance::Calling)
        });
        if entry.watchers == 0 && was_only_watched {
            self.leave_line(room);
        }
        self.forget_if_unneeded(room);
    }

    pub fn is_watched(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|entry| entry.watchers > 0)
    }

    /// The room has to be compared from `at` on. If it waits already, its more important reason and its earlier time stand.
    pub fn want(&mut self, room: &RoomName, importance: Importance, at: Instant) {
        self.next_ticket += 1;
        let mut wanted = QueuePosition { importance, at: (at, self.next_ticket), newest: at };
        let entry = self.rooms.entry(room.clone()).or_default();
        if let Some(place) = &mut entry.place {
            place.newest = place.newest.max(at);
            if place.importance <= importance && place.at.0 <= at {
                return;
            }
            wanted.newest = place.newest;
            wanted.importance = place.importance.min(importance);
            wanted.at = place.at.min(wanted.at);
        }
        self.leave_line(room);
        self.enter_line(room, wanted);
        self.leave_out_the_least();
    }

    /// The first room of each importance, if it is due at `now`; the most important first.
    pub fn due(&self, now: Instant) -> impl Iterator<Item = Due<'_>> {
        Importance::ALL.into_iter().filter_map(move |importance| {
            let (at, room) = self.lines[importance as usize].first_key_value()?;
            let place = self.rooms.get(room).and_then(|entry| entry.place);
            let newest = place.map_or(at.0, |place| place.newest);
            (at.0 <= now).then_some(Due { room, importance, since: at.0, newest })
        })
    }

    pub fn is_running(&self, room: &RoomName) -> bool {
        self.rooms.get(room).is_some_and(|entry| entry.is_running)
    }

    /// When the next room is due, or since when it has been.
    pub fn next_at(&self) -> Option<Instant> {
        self.lines.iter().filter_map(|line| line.first_key_value()).map(|(at, _)| at.0).min()
    }

    /// Since when the longest-waiting watched room has been due.
    pub fn waits_since(&self) -> Option<Instant> {
        let watched = [Importance::Suspicious, Importance::Calling, Importance::Watched];
        let first = |importance: Importance| self.lines[importance as usize].first_key_value();
        watched.into_iter().filter_map(first).map(|(at, _)| at.0).min()
    }

    /// The rooms for which clients wait.
    pub fn awaited(&self) -> Vec<RoomName> {
        self.lines[Importance::Waiting as usize].values().cloned().collect()
    }

    /// A comparison of the room begins. It serves all that the room was wanted for until now.
    pub fn start(&mut self, room: &RoomName) {
        let left = self.rooms.get(room).and_then(|entry| entry.place);
        self.leave_line(room);
        if let Some(entry) = self.rooms.get_mut(room) {
            entry.is_running = true;
            entry.left = left;
        }
    }

    /// The comparison could not be made: the room gets the place again that it had.
    pub fn put_back(&mut self, room: &RoomName) {
        let Some(entry) = self.rooms.get_mut(room) else { return };
        entry.is_running = false;
        let meanwhile = entry.place.take();
        if let Some(left) = entry.left.take() {
            self.enter_line(room, left);
        }
        if let Some(meanwhile) = meanwhile {
            self.want(room, meanwhile.importance, meanwhile.at.0);
            self.want(room, meanwhile.importance, meanwhile.newest);
        }
        self.forget_if_unneeded(room);
    }

    /// No client waits for the room any longer. It is compared all the same, when its turn comes among those of this importance.
    pub fn demote(&mut self, room: &RoomName, importance: Importance) {
        let Some(place) = self.rooms.get(room).and_then(|entry| entry.place) else { return };
        self.leave_line(room);
        self.enter_line(room, QueuePosition { importance, ..place });
    }

    /// The comparison ended. A watched room is due again at `due`.
    pub fn finish(&mut self, room: &RoomName, due: Instant) {
        let Some(entry) = self.rooms.get_mut(room) else { return };
        entry.is_running = false;
        entry.left = None;
        let is_watched = entry.watchers > 0;
        if let Some(place) = entry.place {
            self.enter_line(room, place);
        }
        if is_watched {
            self.want(room, Importance::Watched, due);
        }
        self.forget_if_unneeded(room);
    }

    fn enter_line(&mut self, room: &RoomName, place: QueuePosition) {
        let Some(entry) = self.rooms.get_mut(room) else { return };
        entry.place = Some(place);
        if !entry.is_running {
            self.lines[place.importance as usize].insert(place.at, room.clone());
        }
    }

    fn leave_line(&mut self, room: &RoomName) {
        let Some(entry) = self.rooms.get_mut(room) else { return };
        if let Some(place) = entry.place.take() {
            self.lines[place.importance as usize].remove(&place.at);
        }
    }

    fn leave_out_the_least(&mut self) {
        while self.rooms.len() > MAX_ROOMS {
            // Watched rooms are in the lines before these.
            let unwatched = &mut self.lines[Importance::Known as usize..];
            let line = unwatched.iter_mut().rev().find(|line| !line.is_empty());
            let Some((_, room)) = line.and_then(BTreeMap::pop_last) else { break };
            self.rooms.remove(&room);
        }
    }

    fn forget_if_unneeded(&mut self, room: &RoomName) {
        let is_needed =
            |entry: &Entry| entry.watchers > 0 || entry.place.is_some() || entry.is_running;
        if self.rooms.get(room).is_some_and(|entry| !is_needed(entry)) {
            self.rooms.remove(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn next(queue: &Queue, now: Instant) -> Option<(String, Importance)> {
        queue.due(now).next().map(|due| (due.room.to_string(), due.importance))
    }

    /// Starts the next room's comparison, and finishes it at once.
    fn serve(queue: &mut Queue, now: Instant) -> Option<String> {
        let room = queue.due(now).next()?.room.clone();
        queue.start(&room);
        queue.finish(&room, now + secs(20));
        Some(room.to_string())
    }

    #[test]
    fn more_important_rooms_come_first_and_among_equals_the_one_that_was_due_first() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want(&room("listed"), Importance::Listed, now);
        queue.want(&room("known"), Importance::Known, now);
        queue.watch(&room("watched later"), now + secs(1));
        queue.watch(&room("watched"), now);
        queue.want(&room("suspicious"), Importance::Suspicious, now);
        queue.want(&room("waiting"), Importance::Waiting, now);
        let later = now + secs(2);
        let order: Vec<_> = std::iter::from_fn(|| serve(&mut queue, later)).collect();
        let expected = ["waiting", "suspicious", "watched", "watched later", "known", "listed"];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_room_is_there_once_with_its_most_important_reason_and_earliest_time() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want(&room("general"), Importance::Listed, now);
        queue.watch(&room("general"), now + secs(20));
        queue.want(&room("general"), Importance::Waiting, now + secs(5));
        queue.want(&room("general"), Importance::Known, now + secs(9));
        assert_eq!(next(&queue, now), Some(("general".to_owned(), Importance::Waiting)));
        assert_eq!(serve(&mut queue, now).as_deref(), Some("general"));
        assert_eq!(next(&queue, now + secs(19)), None);
        assert_eq!(queue.next_at(), Some(now + secs(20)), "it is watched");
    }

    #[test]
    fn a_room_has_one_comparison_at_a_time_and_what_is_wanted_meanwhile_comes_after() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want(&room("general"), Importance::Waiting, now);
        queue.start(&room("general"));
        queue.want(&room("general"), Importance::Suspicious, now);
        assert_eq!(next(&queue, now), None);
        queue.finish(&room("general"), now);
        assert_eq!(next(&queue, now), Some(("general".to_owned(), Importance::Suspicious)));
    }

    #[test]
    fn a_room_whose_comparison_was_not_made_keeps_its_place() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.watch(&room("first"), now);
        queue.watch(&room("second"), now + secs(1));
        let later = now + secs(5);
        queue.start(&room("first"));
        assert_eq!(queue.waits_since(), Some(now + secs(1)));
        queue.want(&room("first"), Importance::Suspicious, later);
        queue.put_back(&room("first"));
        assert_eq!(queue.waits_since(), Some(now));
        assert_eq!(next(&queue, later), Some(("first".to_owned(), Importance::Suspicious)));
        assert_eq!(queue.due(later).next().map(|due| due.newest), Some(later));
    }

    #[test]
    fn a_room_whose_client_was_answered_waits_in_a_line_further_down() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.want(&room("general"), Importance::Waiting, now);
        assert_eq!(queue.awaited(), [room("general")]);
        queue.demote(&room("general"), Importance::Known);
        assert_eq!(next(&queue, now), Some(("general".to_owned(), Importance::Known)));
    }

    #[test]
    fn a_room_that_nobody_watches_any_more_is_forgotten() {
        let now = Instant::now();
        let mut queue = Queue::default();
        for _ in 0..2 {
            queue.watch(&room("general"), now);
        }
        queue.unwatch(&room("general"));
        assert!(queue.is_watched(&room("general")));
        queue.unwatch(&room("general"));
        assert_eq!(queue.next_at(), None);
        assert!(queue.rooms.is_empty());

        queue.watch(&room("general"), now);
        queue.start(&room("general"));
        queue.unwatch(&room("general"));
        queue.finish(&room("general"), now);
        assert!(queue.rooms.is_empty() && queue.next_at().is_none());
    }

    #[test]
    fn the_queue_is_bounded_and_the_least_important_rooms_are_left_out() {
        let now = Instant::now();
        let mut queue = Queue::default();
        queue.watch(&room("watched"), now);
        for number in 0..MAX_ROOMS + 10 {
            queue.want(&room(&format!("listed-{number}")), Importance::Listed, now);
        }
        assert_eq!(queue.rooms.len(), MAX_ROOMS);
        assert_eq!(queue.lines[Importance::Listed as usize].len(), MAX_ROOMS - 1);
        assert_eq!(serve(&mut queue, now).as_deref(), Some("watched"));
        assert_eq!(serve(&mut queue, now).as_deref(), Some("listed-0"), "the newest were left out");
    }
}
