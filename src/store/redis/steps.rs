//! Takes steps on rooms. A step reads the rows that it is about, or takes those kept from the last step, runs the rules, and
//! writes unless another instance has. On a conflict the rules run again on the rows that came back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};

use crate::{
    presence::{Identity, Needs, ROOM_MEMORY, RoomName, RoomSlice, StoreTime, Version},
    redis_client::ANSWER,
    store::{StoreError, outbox::HistoryItem, summary::Listed},
};

use super::{
    commit::{Commit, Committed, Logged, ToLog, Writer},
    events::RedisEvents,
    history::{Noted, RedisOutbox},
    keys::Bucket,
    message,
    metrics::RedisMetrics,
    reader::RowReader,
    rows::HeldRows,
    server_time::ServerTime,
    turns::{RoomTurn, Turns},
};

/// After losing to this many writes of other instances a step has the room wait for it, so that a slow instance does not lose every
/// time.
const LOSSES_BEFORE_RESERVATION: u32 = 2;
/// How long the room waits, unless the write comes first. Twice as long after each further loss, for an instance that gets too
/// little of its machine to come in time.
const MIN_RESERVATION: Duration = Duration::from_millis(200);
/// What a step leaves behind that gives up, or whose instance dies.
const MAX_RESERVATION: Duration = Duration::from_millis(800);
/// The longest delay before a step tries again while the room waits for another instance.
const MAX_RETRY_DELAY: Duration = Duration::from_millis(2);
/// The shortest time between two writes that extend a room's expiry, unless a step demands one.
const KEEP_EVERY: Duration = Duration::from_mins(1);

/// What a step needs.
pub(super) struct Wanted<'step> {
    pub room: &'step RoomName,
    /// The persons whose rows it is about.
    pub persons: &'step [Identity],
    /// Whether it may build on rows kept from an earlier step, without reading them again.
    pub may_be_unread: bool,
    /// Whether it extends the room's expiry even if that was done a moment ago.
    pub keeps: bool,
}

/// What a step did.
pub(super) struct Taken<T> {
    pub outcome: T,
    /// The persons whose rows it changed.
    pub touched: Vec<Identity>,
    pub effect: Effect,
    pub log: ToLog,
    /// What it adds to the history, if it is written.
    pub item: Option<HistoryItem>,
}

/// What follows a step.
pub(super) enum Effect {
    /// There is nothing to write.
    Nothing,
    /// There is nothing to write, but that is certain only if the rows were read for this step.
    NothingIfRead,
    /// The rows are written, and clients of the room see no difference.
    Written,
    /// The rows are written, and this message tells the room's followers.
    Told(Vec<u8>),
}

/// Entries that were written with a step, and what became of them.
pub(super) struct PendingLog {
    pub entries: Vec<Vec<u8>>,
    pub logged: Logged,
}

pub(super) struct Steps {
    pub reader: RowReader,
    pub writer: Writer,
    pub turns: Turns,
    pub time: ServerTime,
    pub metrics: RedisMetrics,
    /// The log of events, which is told of each step.
    pub events: Arc<RedisEvents>,
    /// Where steps leave what they add to the history; none where no history is kept.
    pub outbox: Option<Arc<RedisOutbox>>,
}

/// A step from its first attempt to its last.
struct Progress<'step> {
    wanted: Wanted<'step>,
    turn: RoomTurn<'step>,
    /// The rows for the next attempt; none where they have to be read.
    next: Option<HeldRows>,
    /// Whether these rows were read for this step, rather than kept from an earlier one.
    is_read: bool,
    /// The version of the rows kept from the last step. Redis has an earlier one only if it lost writes.
    acknowledged: Option<Version>,
    /// Writes of other instances that came before this step's.
    losses: u32,
}

impl Steps {
    /// Takes a step. `act` may be called several times, and only what it did the last time counts. It is told whether entries for
    /// the log of events have to be made. Unless Redis fails in between, they are in the log when this returns.
    pub async fn step<T>(
        &self,
        wanted: Wanted<'_>,
        mut act: impl FnMut(&mut RoomSlice, StoreTime, bool) -> Result<Taken<T>, Needs> + Send,
    ) -> Result<T, StoreError> {
        let bucket = Bucket::of(wanted.room.as_str());
        let turn = match self.turns.take_now(wanted.room) {
            Some(turn) => turn,
            None => {
                let waiting = timeout(ANSWER, self.turns.take(wanted.room));
                waiting.await.map_err(|_| StoreError::Busy)?
            }
        };
        let mut progress = Progress::new(wanted, turn);
        let started = Instant::now();
        while started.elapsed() < ANSWER {
            if let Some((outcome, pending)) = self.attempt(&mut progress, &mut act).await? {
                drop(progress);
                if let Some(pending) = pending {
                    self.events.settle(bucket, pending).await;
                }
                return Ok(outcome);
            }
        }
        Err(StoreError::Busy)
    }

    /// Tries to take the step. None where another attempt is needed.
    async fn attempt<T>(
        &self,
        progress: &mut Progress<'_>,
        act: &mut (impl FnMut(&mut RoomSlice, StoreTime, bool) -> Result<Taken<T>, Needs> + Send),
    ) -> Result<Option<(T, Option<PendingLog>)>, StoreError> {
        let (mut held, absent) = self.rows(progress).await?;
        let now = self.time.now().await?;
        let listed = Listed::of_slice(&held.slice);
        let is_lost = progress.acknowledged.is_some_and(|version| held.slice.advance(version, now));
        let is_logged = self.events.is_on();
        let taken = act(&mut held.slice, now, is_logged);
        let Taken { outcome, touched, effect, log, item } = match taken {
            Ok(taken) => taken,
            Err(needs) => {
                self.read_needed(progress, needs, held).await?;
                return Ok(None);
            }
        };
        let message = match effect {
            Effect::NothingIfRead if !progress.is_read => {
                progress.is_read = true;
                return Ok(None);
            }
            Effect::Nothing | Effect::NothingIfRead if !is_lost => {
                progress.keep_if_read(held);
                return Ok(Some((outcome, None)));
            }
            Effect::Nothing | Effect::NothingIfRead => message::of_gap(progress.wanted.room),
            Effect::Written if is_lost => message::of_gap(progress.wanted.room),
            Effect::Written if Listed::of_slice(&held.slice) != listed => {
                message::of_list(progress.wanted.room)
            }
            Effect::Written => Vec::new(),
            Effect::Told(message) => message,
        };
        let keep_secs = keep(&mut held.slice, now, progress.wanted.keeps);
        let log = if is_lost { log.after_gap(is_logged) } else { log };
        let commit = Commit::new(&mut held, &touched, &absent, now, keep_secs, message);
        let mut commit = self.noting(commit.logging(log), item);
        let logged = self.write(progress, &mut commit, held, !absent.is_empty()).await?;
        Ok(logged.map(|logged| (outcome, commit.into_pending(logged))))
    }

    /// The same commit, with what the history has to know of it.
    fn noting(&self, commit: Commit, item: Option<HistoryItem>) -> Commit {
        match self.outbox.as_ref().zip(item) {
            Some((outbox, item)) => commit.noting(item, outbox.settings()),
            None => commit,
        }
    }

    /// Writes what a step did. None if nothing was written: the rows that came back are those for the next attempt.
    async fn write(
        &self,
        progress: &mut Progress<'_>,
        commit: &mut Commit,
        mut held: HeldRows,
        supposes_absence: bool,
    ) -> Result<Option<Logged>, StoreError> {
        let room = progress.wanted.room;
        let sent = commit.send(&self.writer, room, progress.reservation()).await;
        let (committed, sent, time) =
            sent.inspect_err(|_| self.noted(room, commit, Noted::Perhaps))?;
        self.time.learn(sent, time);
        match committed {
            Committed::Done(logged, noted) => {
                self.noted(room, commit, noted);
                commit.revision().clone_into(&mut held.revision);
                progress.turn.put(held);
                Ok(Some(logged))
            }
            Committed::Wanted(fresh) => {
                self.events.turned_on();
                progress.go_on_with(*fresh);
                Ok(None)
            }
            Committed::Conflict(fresh) => {
                self.metrics.conflicted();
                if fresh.revision != held.revision {
                    progress.losses += 1;
                } else if !supposes_absence {
                    // Nobody has written: the room waits for another instance.
                    sleep(MAX_RETRY_DELAY.mul_f64(fastrand::f64())).await;
                }
                progress.go_on_with(*fresh);
                Ok(None)
            }
        }
    }

    /// Remembers what became of a write's item for the history.
    fn noted(&self, room: &RoomName, commit: &mut Commit, noted: Noted) {
        if let Some((outbox, item)) = self.outbox.as_ref().zip(commit.take_item()) {
            outbox.wrote(Bucket::of(room.as_str()), item, noted);
        }
    }

    /// The rows for an attempt, and the persons assumed to have none. The write checks that assumption.
    async fn rows(
        &self,
        progress: &mut Progress<'_>,
    ) -> Result<(HeldRows, Vec<Identity>), StoreError> {
        let Wanted { room, persons, .. } = progress.wanted;
        let mut held = match progress.next.take() {
            Some(held) => held,
            None => self.reader.rows(room, persons).await?,
        };
        let missing: Vec<_> =
            persons.iter().filter(|one| !held.slice.holds(one)).cloned().collect();
        if missing.is_empty() {
            return Ok((held, Vec::new()));
        }
        if !progress.is_read && missing.len() == 1 {
            held.load(&missing[0], None)?;
            return Ok((held, missing));
        }
        self.reader.more(room, &missing, &mut held).await?;
        progress.is_read = true;
        Ok((held, Vec::new()))
    }

    /// Reads the rows that a step turned out to need.
    async fn read_needed(
        &self,
        progress: &mut Progress<'_>,
        needs: Needs,
        mut held: HeldRows,
    ) -> Result<(), StoreError> {
        let room = progress.wanted.room;
        match needs {
            Needs::Everybody => held = self.reader.everybody(room).await?,
            Needs::Person(identity) => self.reader.more(room, &[identity], &mut held).await?,
        }
        progress.go_on_with(held);
        Ok(())
    }
}

impl<'step> Progress<'step> {
    fn new(wanted: Wanted<'step>, mut turn: RoomTurn<'step>) -> Self {
        let held = turn.take_held();
        let acknowledged = held.as_ref().map(|held| held.slice.version());
        let next = held.filter(|_| wanted.may_be_unread);
        Self { is_read: next.is_none(), wanted, turn, next, acknowledged, losses: 0 }
    }

    /// Another attempt follows, on rows that were read.
    fn go_on_with(&mut self, held: HeldRows) {
        self.next = Some(held);
        self.is_read = true;
    }

    /// Keeps rows for the next step, if they were read and Redis holds the room.
    fn keep_if_read(&mut self, held: HeldRows) {
        if self.is_read && !held.revision.is_empty() {
            self.turn.put(held);
        }
    }

    /// How long the room waits for this step if it cannot write now.
    fn reservation(&self) -> Duration {
        match self.losses.checked_sub(LOSSES_BEFORE_RESERVATION) {
            Some(further) => (MIN_RESERVATION * (1 << further.min(8))).min(MAX_RESERVATION),
            None => Duration::ZERO,
        }
    }
}

/// For how many seconds the room is kept from now on, at least until its last ban ends; none if its expiry was extended less than
/// `KEEP_EVERY` ago.
fn keep(slice: &mut RoomSlice, now: StoreTime, must: bool) -> Option<u64> {
    let until = now + ROOM_MEMORY;
    let is_due = must || slice.kept_until() + KEEP_EVERY <= until;
    is_due.then(|| {
        slice.keep_until(until);
        let for_bans = slice.bans_kept_until(now).since(now) + Duration::from_secs(1);
        ROOM_MEMORY.max(for_bans).as_secs()
    })
}
