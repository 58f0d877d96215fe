//! How a step of a room is taken: read the rows it is about, or take what this instance wrote last; run the rules; write, if
//! nobody else has. On a conflict the rules run again, on the rows that came back.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use crate::{
    presence::{Identity, Needs, ROOM_MEMORY, RoomName, RoomSlice, StoreTime},
    store::StoreError,
};

use super::{
    RedisStore,
    commit::{Commit, Committed},
    link::ANSWER,
    message,
    rows::{Held, REVISION, ROOM, field_of},
};

/// A step that meets another instance's writes this many times has the room wait for it, so that who is slower loses no more often.
const CONFLICTS_BEFORE_RESERVATION: u32 = 2;
/// And this long. It ends with the write.
const RESERVATION: Duration = Duration::from_millis(200);
/// While the room waits for another instance, a step tries again after up to this time.
const MAX_RETRY_DELAY: Duration = Duration::from_millis(2);
/// The time at which a room is forgotten is put off at most this often.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// What a step needs.
pub(super) struct Wanted<'step> {
    pub room: &'step RoomName,
    /// Whose rows it is about.
    pub persons: &'step [Identity],
    /// Whether it may build on what this instance wrote last, unread.
    pub may_be_unread: bool,
    /// Whether it puts off the time at which the room is forgotten, however lately that was done.
    pub keeps: bool,
}

/// What a step did.
pub(super) struct Taken<T> {
    pub outcome: T,
    /// Whose rows it changed.
    pub touched: Vec<Identity>,
    pub effect: Effect,
}

/// What is to follow a step.
pub(super) enum Effect {
    /// There is nothing to write.
    Nothing,
    /// As before, but this must not be told from rows that were not read.
    NothingIfRead,
    /// Clients see nothing of what is written.
    Written,
    /// What is written is told to the room's followers.
    Told(Vec<u8>),
}

/// How the rows that a step needs came to be held.
enum Completed {
    Held,
    /// These have none, as far as is known. The write checks that.
    Supposed(Vec<Identity>),
    /// They were read, and so it is certain that what is held is what there is.
    Read,
}

impl RedisStore {
    /// Takes a step. `act` may be called several times, and what it did before does not count.
    pub(super) async fn step<T>(
        &self,
        wanted: Wanted<'_>,
        mut act: impl FnMut(&mut RoomSlice, StoreTime) -> Result<Taken<T>, Needs> + Send,
    ) -> Result<T, StoreError> {
        let room = wanted.room;
        let mut turn = match self.turns.take_now(room) {
            Some(turn) => turn,
            None => timeout(ANSWER, self.turns.take(room)).await.map_err(|_| StoreError::Busy)?,
        };
        let mut unread = turn.take_held();
        // Nobody but a Redis that lost its last writes has an earlier version than what it acknowledged.
        let acknowledged = unread.as_ref().map(|held| held.slice.version());
        if !wanted.may_be_unread {
            unread = None;
        }
        let mut is_read = unread.is_none();
        let mut next = unread;
        let mut conflicts = 0;
        let started = Instant::now();
        while started.elapsed() < ANSWER {
            let mut held = match next.take() {
                Some(held) => held,
                None => self.read_rows(room, wanted.persons).await?,
            };
            let absent = match self.complete(&wanted, &mut held, is_read).await? {
                Completed::Held => Vec::new(),
                Completed::Supposed(absent) => absent,
                Completed::Read => {
                    is_read = true;
                    Vec::new()
                }
            };
            let now = self.store_time().await?;
            let is_lost = acknowledged.is_some_and(|version| held.slice.advance(version, now));
            let taken = match act(&mut held.slice, now) {
                Ok(taken) => taken,
                Err(Needs::Everybody) => {
                    next = Some(self.read_everybody(room).await?);
                    is_read = true;
                    continue;
                }
                Err(Needs::Person(identity)) => {
                    self.read_more(room, &[identity], &mut held).await?;
                    is_read = true;
                    next = Some(held);
                    continue;
                }
            };
            let message = match taken.effect {
                Effect::NothingIfRead if !is_read => {
                    is_read = true;
                    continue;
                }
                Effect::Nothing | Effect::NothingIfRead if !is_lost => {
                    if is_read && !held.revision.is_empty() {
                        turn.put(held);
                    }
                    return Ok(taken.outcome);
                }
                Effect::Told(message) => message,
                _ if is_lost => message::of_gap(room),
                _ => Vec::new(),
            };
            let keep_secs = keep(&mut held.slice, now, wanted.keeps);
            let commit = Commit::new(&mut held, &taken.touched, &absent, now, keep_secs, message);
            let reserve = match conflicts {
                0..CONFLICTS_BEFORE_RESERVATION => Duration::ZERO,
                _ => RESERVATION,
            };
            let (committed, sent, time) = commit.send(&self.writer, room, reserve).await?;
            self.clock.learn(sent, time);
            match committed {
                Committed::Done => {
                    commit.revision().clone_into(&mut held.revision);
                    turn.put(held);
                    return Ok(taken.outcome);
                }
                Committed::Conflict(fresh) => {
                    self.metrics.conflicted();
                    conflicts += 1;
                    if fresh.revision == held.revision && absent.is_empty() {
                        // Nobody has written: the room waits for another instance.
                        sleep(MAX_RETRY_DELAY.mul_f64(fastrand::f64())).await;
                    }
                    next = Some(*fresh);
                    is_read = true;
                }
            }
        }
        Err(StoreError::Busy)
    }

    /// Sees to it that the persons' rows are held.
    async fn complete(
        &self,
        wanted: &Wanted<'_>,
        held: &mut Held,
        is_read: bool,
    ) -> Result<Completed, StoreError> {
        let missing: Vec<_> =
            wanted.persons.iter().filter(|one| !held.slice.holds(one)).cloned().collect();
        if missing.is_empty() {
            return Ok(Completed::Held);
        }
        if !is_read && missing.len() == 1 {
            held.load(&missing[0], None)?;
            return Ok(Completed::Supposed(missing));
        }
        self.read_more(wanted.room, &missing, held).await?;
        Ok(Completed::Read)
    }

    /// Reads the room's own row and those of some persons.
    pub(super) async fn read_rows(
        &self,
        room: &RoomName,
        persons: &[Identity],
    ) -> Result<Held, StoreError> {
        let mut fields = vec![REVISION.to_owned(), ROOM.to_owned()];
        fields.extend(persons.iter().map(field_of));
        let mut read = redis::cmd("HMGET");
        read.arg(self.writer.keys.room(room)).arg(&fields);
        let values: Vec<Option<Vec<u8>>> = self.writer.link.query(&read).await?;
        Ok(Held::from_fields(fields.into_iter().map(String::into_bytes).zip(values))?)
    }

    /// Reads the whole room.
    pub(super) async fn read_everybody(&self, room: &RoomName) -> Result<Held, StoreError> {
        let mut read = redis::cmd("HGETALL");
        read.arg(self.writer.keys.room(room));
        let fields: Vec<(Vec<u8>, Vec<u8>)> = self.writer.link.query(&read).await?;
        let fields = fields.into_iter().map(|(field, value)| (field, Some(value)));
        Ok(Held::from_all_fields(fields)?)
    }

    /// Reads further rows. Where somebody has written meanwhile, all that was held is read again.
    async fn read_more(
        &self,
        room: &RoomName,
        persons: &[Identity],
        held: &mut Held,
    ) -> Result<(), StoreError> {
        let mut fields = vec![REVISION.to_owned()];
        fields.extend(persons.iter().map(field_of));
        let mut read = redis::cmd("HMGET");
        read.arg(self.writer.keys.room(room)).arg(&fields);
        let values: Vec<Option<Vec<u8>>> = self.writer.link.query(&read).await?;
        let mut values = values.into_iter();
        let revision = values.next().flatten().unwrap_or_default();
        if revision != held.revision.as_bytes() {
            *held = self.read_rows(room, persons).await?;
            return Ok(());
        }
        for (identity, row) in persons.iter().zip(values) {
            held.load(identity, row.as_deref())?;
        }
        Ok(())
    }

    /// The store's time, by which the rules stamp what they apply.
    pub(super) async fn store_time(&self) -> Result<StoreTime, StoreError> {
        match self.clock.now() {
            Some(now) => Ok(now),
            None => self.ask_time().await,
        }
    }

    /// Asks the server for its time.
    pub(super) async fn ask_time(&self) -> Result<StoreTime, StoreError> {
        // Waiting for a connection is not part of the call.
        self.writer.link.connection().await?;
        let sent = Instant::now();
        let (seconds, micros): (u64, u64) = self.writer.link.query(&redis::cmd("TIME")).await?;
        let time = StoreTime::from_micros(seconds * 1_000_000 + micros);
        self.clock.learn(sent, time);
        Ok(time)
    }
}

/// For how many seconds the room is kept from now, where that is due.
fn keep(slice: &mut RoomSlice, now: StoreTime, must: bool) -> Option<u64> {
    let until = now + ROOM_MEMORY;
    let is_due = must || slice.kept_until() + KEEP_EVERY <= until;
    is_due.then(|| {
        slice.keep_until(until);
        ROOM_MEMORY.as_secs()
    })
}
