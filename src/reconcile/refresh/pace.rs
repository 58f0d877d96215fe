//! Which watched room is read in LiveKit's Redis next, and when.
//!
//! Pure: callers pass the time. What a reading costs is the bytes that it brings. A room is read at most once in 50 ms, and a large
//! one more rarely, so that it uses at most a quarter of the rate. A token bucket holds all rooms together to the rate. Rooms take
//! turns in the order of their oldest unread change, and the first one waits for the bucket before all others, so that none starves.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use crate::presence::RoomName;

/// The shortest time between the beginnings of two readings of a room.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// A room that could not be read is read again after this time, after twice as long when that fails too, and so on: it may be so
/// large that the connection does not outlast it.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(64);
/// The part of the rate that one room may use: one in this many.
const SHARE_OF_ONE: u32 = 4;
/// What a reading costs at least: the commands, and the answer for a room with nobody in it.
const MIN_COST: usize = 256;

/// The watched rooms, and what of them is unread.
#[derive(Debug)]
pub struct ReadingPace {
    bucket: ByteBucket,
    rooms: HashMap<RoomName, PacedRoom>,
    /// Rooms that may be read, by the time from which they are unread.
    ready: Line,
    /// Rooms that are unread and may not be read yet, by the time from which they may be.
    later: Line,
    next_ticket: u64,
}

type Line = BTreeMap<(Instant, u64), RoomName>;

/// The bytes that may be read. It may run into debt, because what a reading brings is known afterwards.
#[derive(Debug)]
struct ByteBucket {
    bytes_per_second: u64,
    /// When the bucket will be full again.
    full_at: Instant,
}

#[derive(Debug)]
struct PacedRoom {
    /// What the last reading brought.
    bytes: usize,
    /// No reading begins before.
    not_before: Instant,
    is_reading: bool,
    /// Readings in a row that failed.
    failures: u32,
    wanted: Option<Wanted>,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// Since when it has been unread: rooms take turns in this order.
    since: Instant,
    /// When it may be read.
    at: Instant,
    ticket: u64,
    /// The oldest change that was told and has not been read. None if it is read for another reason.
    changed_at: Option<Instant>,
}

/// A reading to make now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub room: RoomName,
    /// When LiveKit's Redis told of the change, if that is why it is read.
    pub changed_at: Option<Instant>,
}

impl ReadingPace {
    pub fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self {
            bucket: ByteBucket { bytes_per_second: bytes_per_second.max(1), full_at: now },
            rooms: HashMap::new(),
            ready: Line::new(),
            later: Line::new(),
            next_ticket: 0,
        }
    }

    /// Reads the room from now on, for the first time at once.
    pub fn watch(&mut self, room: &RoomName, now: Instant) {
        self.rooms.entry(room.clone()).or_insert_with(|| PacedRoom {
            bytes: 0,
            not_before: now,
            is_reading: false,
            failures: 0,
            wanted: None,
        });
        self.want(room, now, now, None);
    }

    pub fn unwatch(&mut self, room: &RoomName) {
        self.leave_line(room);
        self.rooms.remove(room);
    }

    pub fn is_watched(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    pub fn watched(&self) -> Vec<RoomName> {
        self.rooms.keys().cloned().collect()
    }

    /// Something else was read at the same rate.
    pub fn spent(&mut self, bytes: usize, now: Instant) {
        self.bucket.take(bytes, now);
    }

    /// LiveKit's Redis told that a room has changed. Does nothing for a room that is not watched.
    pub fn changed(&mut self, room: &RoomName, now: Instant) {
        self.want(room, now, now, Some(now));
    }

    /// Every watched room may have changed.
    pub fn everything_changed(&mut self, now: Instant) {
        let rooms: Vec<_> = self.rooms.keys().cloned().collect();
        for room in &rooms {
            self.want(room, now, now, None);
        }
    }

    /// Reads the room again from `at` on. LiveKit's Redis told of no change.
    pub fn read_again(&mut self, room: &RoomName, at: Instant) {
        self.want(room, at, at, None);
    }

    /// Begins the next reading. If none can begin now, returns when to ask again; none if nothing is unread.
    ///
    /// # Errors
    /// When to ask again.
    pub fn next(&mut self, now: Instant) -> Result<Reading, Option<Instant>> {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let room = first.remove();
            if let Some(wanted) = self.rooms.get(&room).and_then(|paced| paced.wanted) {
                self.ready.insert((wanted.since, wanted.ticket), room);
            }
        }
        let next_later = self.later.first_key_value().map(|((at, _), _)| *at);
        let Some(first) = self.ready.first_entry() else { return Err(next_later) };
        if let Some(ready_at) = self.bucket.ready_at(now) {
            return Err(Some(ready_at));
        }
        let room = first.remove();
        let paced = self.rooms.get_mut(&room).expect("who leaves is in no line");
        let wanted = paced.wanted.take();
        paced.is_reading = true;
        paced.not_before = now + self.bucket.interval(paced.bytes);
        self.bucket.take(paced.bytes.max(MIN_COST), now);
        Ok(Reading { room, changed_at: wanted.and_then(|wanted| wanted.changed_at) })
    }

    /// A reading has ended. It brought this many bytes; none if it failed. Then the room is read again later: without a reading
    /// Redis tells of no further change.
    pub fn read(&mut self, room: &RoomName, bytes: Option<usize>, now: Instant) {
        let Some(paced) = self.rooms.get_mut(room) else { return };
        paced.is_reading = false;
        if let Some(bytes) = bytes {
            let charged = paced.bytes.max(MIN_COST);
            self.bucket.take(bytes.saturating_sub(charged), now);
            // What grew is known from here on.
            let more =
                self.bucket.interval(bytes).saturating_sub(self.bucket.interval(paced.bytes));
            paced.not_before += more;
            paced.bytes = bytes;
            paced.failures = 0;
        } else {
            let delay = FIRST_RETRY_DELAY * 2_u32.saturating_pow(paced.failures.min(16));
            paced.not_before = paced.not_before.max(now + delay.min(MAX_RETRY_DELAY));
            paced.failures += 1;
        }
        if let Some(wanted) = paced.wanted.take() {
            self.want(room, wanted.since, wanted.at, wanted.changed_at);
        } else if bytes.is_none() {
            self.want(room, now, now, None);
        }
    }

    fn want(&mut self, room: &RoomName, since: Instant, at: Instant, changed_at: Option<Instant>) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.leave_line(room);
        let Some(paced) = self.rooms.get_mut(room) else { return };
        let before = paced.wanted.take();
        let earliest = |a: Option<Instant>, b: Option<Instant>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let wanted = Wanted {
            since: before.map_or(since, |before| before.since.min(since)),
            at: before.map_or(at, |before| before.at.min(at)).max(paced.not_before),
            ticket: before.map_or(ticket, |before| before.ticket),
            changed_at: earliest(before.and_then(|before| before.changed_at), changed_at),
        };
        paced.wanted = Some(wanted);
        if !paced.is_reading {
            self.later.insert((wanted.at, wanted.ticket), room.clone());
        }
    }

    fn leave_line(&mut self, room: &RoomName) {
        let Some(wanted) = self.rooms.get(room).and_then(|paced| paced.wanted) else { return };
        self.later.remove(&(wanted.at, wanted.ticket));
        self.ready.remove(&(wanted.since, wanted.ticket));
    }
}

impl ByteBucket {
    /// When the next reading may begin, if not now: when the bucket is out of debt.
    fn ready_at(&self, now: Instant) -> Option<Instant> {
        let ready_at = self.full_at.checked_sub(Duration::from_secs(1)).unwrap_or(now);
        (ready_at > now).then_some(ready_at)
    }

    fn take(&mut self, bytes: usize, now: Instant) {
        self.full_at = self.full_at.max(now) + self.time_of(bytes);
    }

    /// The time between two readings of a room of this size.
    fn interval(&self, bytes: usize) -> Duration {
        (self.time_of(bytes) * SHARE_OF_ONE).max(MIN_INTERVAL)
    }

    fn time_of(&self, bytes: usize) -> Duration {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let nanos = bytes.saturating_mul(1_000_000_000) / self.bytes_per_second;
        Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u64 = 8 * 1024 * 1024;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    /// Makes what readings are possible in `secs`, each of which takes a millisecond, while each room is told of a change every
    /// `every` milliseconds. Returns, for each room, how often it was read, and the longest wait for a change to be read.
    fn run(rooms: &[(&str, usize)], every: u64, secs: u64) -> Vec<(usize, u64)> {
        let start = Instant::now();
        let mut pace = ReadingPace::new(RATE, start);
        for (name, _) in rooms {
            pace.watch(&room(name), start);
        }
        let mut seen = vec![(0, 0); rooms.len()];
        for millis in 0..secs * 1000 {
            let now = start + Duration::from_millis(millis);
            if millis % every == 0 {
                for (name, _) in rooms {
                    pace.changed(&room(name), now);
                }
            }
            while let Ok(reading) = pace.next(now) {
                let index = rooms.iter().position(|(name, _)| room(name) == reading.room).unwrap();
                let waited = reading.changed_at.map_or(0, |at| (now - at).as_millis());
                let (count, longest) = &mut seen[index];
                *count += 1;
                *longest = u64::try_from(waited).unwrap().max(*longest);
                pace.read(&reading.room, Some(rooms[index].1), now + Duration::from_millis(1));
            }
        }
        seen
    }

    #[test]
    fn a_small_room_is_read_at_once_and_then_each_fifty_milliseconds() {
        assert_eq!(run(&[("small", 3_000)], 10, 10), [(200, 40)]);
        assert_eq!(run(&[("quiet", 3_000)], 1_000, 10), [(10, 0)], "its changes are read at once");
    }

    // 3 MB · 4 / 8 MiB a second: every 1.43 s, which is 2 MiB a second.
    #[test]
    fn a_room_of_five_thousand_with_a_hundred_changes_a_second_uses_a_quarter_of_the_rate() {
        assert_eq!(run(&[("large", 3_000_000)], 10, 60), [(42, 1_430)]);
    }

    #[test]
    fn all_rooms_together_stay_within_the_rate_and_none_starves() {
        let names: Vec<_> = (0..20).map(|number| format!("large-{number}")).collect();
        let mut rooms: Vec<_> = names.iter().map(|name| (name.as_str(), 3_000_000)).collect();
        rooms.push(("small", 300));
        let seen = run(&rooms, 10, 60);
        let bytes: usize =
            seen.iter().zip(&rooms).map(|((count, _), (_, bytes))| count * bytes).sum();
        // A minute, a second's worth in the bucket, and the reading that runs into debt.
        assert!(bytes <= 61 * 8 * 1024 * 1024 + 3_000_000 * 2, "{bytes}");
        let counts: Vec<_> = seen[..20].iter().map(|(count, _)| *count).collect();
        assert!(counts.iter().all(|count| (8..=10).contains(count)), "{counts:?}");
        let (small, longest) = seen[20];
        assert!(small >= 8 && longest < 8_000, "{small} readings, {longest} ms");
    }

    #[test]
    fn rooms_are_read_in_the_order_of_their_oldest_unread_change() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = ReadingPace::new(RATE, start);
        for name in ["a", "b", "c"] {
            pace.watch(&room(name), start);
            let reading = pace.next(start).unwrap();
            pace.read(&reading.room, Some(100), start);
        }
        pace.changed(&room("b"), at(60));
        pace.changed(&room("a"), at(61));
        pace.changed(&room("b"), at(62));
        pace.changed(&room("c"), at(63));
        let order: Vec<_> = std::iter::from_fn(|| pace.next(at(64)).ok())
            .map(|reading| (reading.room.to_string(), reading.changed_at.unwrap() - start))
            .collect();
        let expected = [("b", 60), ("a", 61), ("c", 63)]
            .map(|(name, millis)| (name.to_owned(), Duration::from_millis(millis)));
        assert_eq!(order, expected);
    }

    #[test]
    fn a_change_while_a_room_is_read_has_it_read_again() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = ReadingPace::new(RATE, start);
        pace.watch(&room("general"), start);
        assert!(pace.next(start).is_ok());
        pace.changed(&room("general"), at(1));
        assert_eq!(pace.next(at(200)), Err(None), "one reading at a time");
        pace.read(&room("general"), Some(100), at(201));
        assert_eq!(pace.next(at(201)).map(|reading| reading.changed_at), Ok(Some(at(1))));
    }

    #[test]
    fn a_reading_for_later_waits_for_its_time_or_for_a_change() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = ReadingPace::new(RATE, start);
        pace.watch(&room("general"), start);
        let _ = pace.next(start);
        pace.read(&room("general"), Some(100), start);
        pace.read_again(&room("general"), at(2_000));
        assert_eq!(pace.next(at(100)), Err(Some(at(2_000))));
        pace.changed(&room("general"), at(100));
        assert!(pace.next(at(100)).is_ok());
        pace.read(&room("general"), Some(100), at(100));
        assert_eq!(pace.next(at(3_000)), Err(None));
    }

    #[test]
    fn a_room_that_cannot_be_read_is_read_again_later_and_later_whatever_is_told_meanwhile() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut pace = ReadingPace::new(RATE, start);
        pace.watch(&room("general"), start);
        let mut now = 0;
        let mut delays = Vec::new();
        for _ in 0..10 {
            assert!(pace.next(at(now)).is_ok());
            pace.read(&room("general"), None, at(now));
            pace.everything_changed(at(now));
            let Err(Some(again)) = pace.next(at(now)) else { panic!("it is to be read again") };
            let later = u64::try_from((again - start).as_millis()).unwrap();
            delays.push(later - now);
            now = later;
        }
        assert_eq!(delays[..4], [500, 1_000, 2_000, 4_000]);
        assert_eq!(delays[4..], [8_000, 16_000, 32_000, 64_000, 64_000, 64_000]);
        assert!(pace.next(at(now)).is_ok());
        pace.read(&room("general"), Some(100), at(now));
        assert_eq!(pace.next(at(now)), Err(None), "it was read");
        pace.changed(&room("general"), at(now + 50));
        assert!(pace.next(at(now + 50)).is_ok());
    }

    #[test]
    fn a_room_that_nobody_watches_is_not_read_and_not_remembered() {
        let start = Instant::now();
        let mut pace = ReadingPace::new(RATE, start);
        pace.changed(&room("unknown"), start);
        pace.watch(&room("general"), start);
        pace.unwatch(&room("general"));
        assert_eq!(pace.next(start), Err(None));
        assert!(pace.rooms.is_empty() && pace.ready.is_empty() && pace.later.is_empty());
        pace.watch(&room("general"), start);
        let _ = pace.next(start);
        pace.unwatch(&room("general"));
        pace.read(&room("general"), Some(100), start);
        assert!(pace.rooms.is_empty(), "nor if it was being read");
    }
}
