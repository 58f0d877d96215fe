//! Which watched room is read in LiveKit's Redis next, and when.
//!
//! Pure: callers pass the time and the budget, whose model is `livekit/redis/budget.rs`.
//!
//! - A room is read at once when it changes, unless a reading of it began less than 50 ms ago. Then it is read 50 ms after that
//!   beginning, so a change waits for 50 ms at most, and for a reading that is under way.
//! - A large room is read more rarely, so that it uses at most a quarter of the rate. One large room is read at a time.
//! - Rooms take turns in the order of their oldest unread change: small ones among themselves, and large ones among themselves. The
//!   first of each waits for the budget before all others of its kind, so that none starves.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use crate::{
    livekit::redis::{ByteBudget, ByteRate},
    presence::RoomName,
};

/// The shortest time between the beginnings of two readings of a room.
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// A room that could not be read is read again after this time, after twice as long when that fails too, and so on: it may be so
/// large that the connection does not outlast it.
const FIRST_RETRY_DELAY: Duration = Duration::from_millis(500);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(64);

/// The watched rooms, and what of them is unread.
#[derive(Debug)]
pub struct ReadingPace {
    rate: ByteRate,
    rooms: HashMap<RoomName, PacedRoom>,
    /// Small rooms that may be read, by the time from which they are unread.
    small: Line,
    /// Large ones.
    large: Line,
    /// The large room that is being read.
    reading_large: Option<RoomName>,
    /// Rooms that are unread and may not be read yet, by the time from which they may be.
    later: Line,
    next_ticket: u64,
}

type Line = BTreeMap<(Instant, u64), RoomName>;

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
    /// What the budget was charged for it.
    pub charged: usize,
}

impl ReadingPace {
    pub fn new(rate: ByteRate) -> Self {
        Self {
            rate,
            rooms: HashMap::new(),
            small: Line::new(),
            large: Line::new(),
            reading_large: None,
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
        self.no_longer_large(room);
    }

    pub fn is_watched(&self, room: &RoomName) -> bool {
        self.rooms.contains_key(room)
    }

    pub fn watched(&self) -> Vec<RoomName> {
        self.rooms.keys().cloned().collect()
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
    pub fn next(
        &mut self,
        budget: &mut ByteBudget,
        now: Instant,
    ) -> Result<Reading, Option<Instant>> {
        self.line_up(now);
        let next_later = self.later.first_key_value().map(|((at, _), _)| *at);
        let may_be_large = self.reading_large.is_none();
        let lines = [Some(&mut self.small), Some(&mut self.large).filter(|_| may_be_large)];
        let (mut first_ready, mut look_again) = (None, next_later);
        for line in lines.into_iter().flatten() {
            let Some(first) = line.first_entry() else { continue };
            let bytes = self.rooms.get(first.get()).map_or(0, |paced| paced.bytes);
            if let Some(ready_at) = budget.ready_at(bytes, now) {
                look_again = earliest(look_again, Some(ready_at));
                continue;
            }
            first_ready = Some(first.remove());
            break;
        }
        match first_ready {
            Some(room) => Ok(self.begin(room, budget, now)),
            None => Err(look_again),
        }
    }

    /// Has those rooms take their places whose time has come.
    fn line_up(&mut self, now: Instant) {
        while let Some(first) = self.later.first_entry()
            && first.key().0 <= now
        {
            let room = first.remove();
            let Some(paced) = self.rooms.get(&room) else { continue };
            let Some(wanted) = paced.wanted else { continue };
            let is_large = self.rate.is_large(paced.bytes);
            let line = if is_large { &mut self.large } else { &mut self.small };
            line.insert((wanted.since, wanted.ticket), room);
        }
    }

    fn begin(&mut self, room: RoomName, budget: &mut ByteBudget, now: Instant) -> Reading {
        let paced = self.rooms.get_mut(&room).expect("who leaves is in no line");
        let wanted = paced.wanted.take();
        paced.is_reading = true;
        paced.not_before = now + interval(self.rate, paced.bytes);
        if self.rate.is_large(paced.bytes) {
            self.reading_large = Some(room.clone());
        }
        let charged = budget.take(paced.bytes, now);
        Reading { room, changed_at: wanted.and_then(|wanted| wanted.changed_at), charged }
    }

    /// A reading has ended, which brought this many bytes.
    pub fn read(&mut self, room: &RoomName, bytes: usize) {
        self.ended(room, bytes);
        if let Some(paced) = self.rooms.get_mut(room) {
            paced.failures = 0;
            self.want_still(room);
        }
    }

    /// A reading has failed, which brought this many bytes. The room is read again later: without a reading Redis tells of no
    /// further change.
    pub fn failed(&mut self, room: &RoomName, bytes: usize, now: Instant) {
        let known = self.rooms.get(room).map_or(0, |paced| paced.bytes);
        self.ended(room, bytes.max(known));
        let Some(paced) = self.rooms.get_mut(room) else { return };
        let delay = FIRST_RETRY_DELAY * 2_u32.saturating_pow(paced.failures.min(16));
        paced.not_before = paced.not_before.max(now + delay.min(MAX_RETRY_DELAY));
        paced.failures += 1;
        self.want_still(room);
        self.want(room, now, now, None);
    }

    /// A reading has not begun: the room is this large, which was not known, so it takes its place among those.
    pub fn put_off(&mut self, room: &RoomName, bytes: usize, now: Instant) {
        self.no_longer_large(room);
        let Some(paced) = self.rooms.get_mut(room) else { return };
        (paced.is_reading, paced.bytes) = (false, bytes);
        self.want_still(room);
        self.want(room, now, now, None);
    }

    fn ended(&mut self, room: &RoomName, bytes: usize) {
        self.no_longer_large(room);
        let rate = self.rate;
        let Some(paced) = self.rooms.get_mut(room) else { return };
        paced.is_reading = false;
        // What grew is known from here on.
        let more = interval(rate, bytes).saturating_sub(interval(rate, paced.bytes));
        paced.not_before += more;
        paced.bytes = bytes;
    }

    fn no_longer_large(&mut self, room: &RoomName) {
        self.reading_large.take_if(|large| large == room);
    }

    /// Takes its place again, if something was told while the room was read.
    fn want_still(&mut self, room: &RoomName) {
        let wanted = self.rooms.get_mut(room).and_then(|paced| paced.wanted.take());
        if let Some(wanted) = wanted {
            self.want(room, wanted.since, wanted.at, wanted.changed_at);
        }
    }

    fn want(&mut self, room: &RoomName, since: Instant, at: Instant, changed_at: Option<Instant>) {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        self.leave_line(room);
        let Some(paced) = self.rooms.get_mut(room) else { return };
        let before = paced.wanted.take();
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
        self.small.remove(&(wanted.since, wanted.ticket));
        self.large.remove(&(wanted.since, wanted.ticket));
    }
}

/// The time between two beginnings of readings of a room of this size.
fn interval(rate: ByteRate, bytes: usize) -> Duration {
    rate.interval(bytes).max(MIN_INTERVAL)
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
