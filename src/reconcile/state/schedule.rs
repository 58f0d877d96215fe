//! The schedule: which rooms are wanted, compared and watched, with what is left of the budget.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use crate::presence::{RoomName, StoreTime};

use super::{
    budget::{Budget, CallPurpose},
    health::Health,
    interval::Intervals,
    outcome::ComparisonOutcome,
    pace::Pace,
    queue::{Importance, Queue},
    quiet_probes::QuietProbes,
    refusals::{LIVEKIT_RETRIES_FOR, Refusals},
    sweep::Sweep,
    trouble::Troubles,
};

/// Comparisons under way at the same time.
const MAX_AT_ONCE: usize = 32;

/// After a sign of a crash such as a failed probe every room's sessions are probed as if each comparison had cost a call, for this long.
const ALARMED_FOR: Duration = Duration::from_mins(5);

/// The same after LiveKit's own Redis told of a crash. Each watched room is compared at once then, so this is for the probes that
/// got no answer; one that fails makes it longer.
const WARY_FOR: Duration = Duration::from_secs(90);

/// What changes all the time. Callers hold its lock for a few lines.
pub struct Schedule {
    pub queue: Queue,
    pub budget: Budget,
    pub pace: Pace,
    pub intervals: Intervals,
    /// Comparisons under way.
    pub running: usize,
    /// Rooms for which clients wait; each sender tells how the comparison ended.
    waiting: HashMap<RoomName, watch::Sender<Option<ComparisonOutcome>>>,
    /// Watched rooms; each sender tells that a comparison of the room has ended, unless LiveKit or the store did not answer.
    watched: HashMap<RoomName, watch::Sender<()>>,
    /// Watched rooms in which somebody is called by telephone.
    calling: HashSet<RoomName>,
    pub health: Health,
    /// Failed calls in a row. Each may be one room's own trouble.
    pub failures: u32,
    /// The last of these rooms. LiveKit has to be asked something small about it, to find out whether it answers at all.
    pub check_wanted: Option<RoomName>,
    pub is_checking: bool,
    pub troubles: Troubles,
    /// When the last probe that a session answered was made. That session is a witness that LiveKit answers.
    witness_at: StoreTime,
    pub quiet_probes: QuietProbes,
    /// Until when a sign of a crash counts: that a session failed a probe, or that LiveKit's API or one of its servers went down.
    alarmed_until: Option<Instant>,
    /// When LiveKit's own Redis last told that a server may have crashed.
    crashed_at: Option<Instant>,
    pub refusals: Refusals,
    pub sweep: Sweep,
    /// Rooms that the sweep waits for.
    pub sweeping: HashSet<RoomName>,
}

impl Schedule {
    pub fn new(calls_per_minute: u32, intervals: Intervals, now: Instant) -> Self {
        // A room that was compared since then has missed nothing: LiveKit repeats the webhooks that it could not send meanwhile.
        let unknown_since = now.checked_sub(LIVEKIT_RETRIES_FOR).unwrap_or(now);
        Self {
            queue: Queue::default(),
            budget: Budget::new(calls_per_minute, now),
            pace: Pace::new(now),
            intervals,
            running: 0,
            waiting: HashMap::new(),
            watched: HashMap::new(),
            calling: HashSet::new(),
            health: Health::Up,
            failures: 0,
            check_wanted: None,
            is_checking: false,
            troubles: Troubles::default(),
            witness_at: StoreTime::default(),
            quiet_probes: QuietProbes::default(),
            alarmed_until: None,
            crashed_at: None,
            refusals: Refusals::default(),
            sweep: Sweep::wanted(unknown_since, now),
            sweeping: HashSet::new(),
        }
    }

    /// Whether another comparison may start beside those under way.
    pub fn has_free_place(&self) -> bool {
        self.running < MAX_AT_ONCE
    }

    /// Has a room compared from `at` on, or when it may be asked about.
    pub fn want(&mut self, room: &RoomName, importance: Importance, at: Instant) {
        let at = self.troubles.until(room, at).unwrap_or(at);
        self.queue.want(room, importance, at);
    }

    /// Has a room compared for a client, and returns what tells how that ended. A comparison under way serves this client too.
    pub fn wait_for(
        &mut self,
        room: &RoomName,
        asked_at: Instant,
    ) -> watch::Receiver<Option<ComparisonOutcome>> {
        if !self.queue.is_running(room) {
            self.queue.want(room, Importance::Waiting, asked_at);
        }
        let waiting = self.waiting.entry(room.clone());
        waiting.or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Whether clients wait for a room.
    pub fn is_awaited(&self, room: &RoomName) -> bool {
        self.waiting.contains_key(room)
    }

    /// Something about the room was missed, until `at`.
    pub fn suspect(&mut self, room: &RoomName, at: Instant) {
        let is_watched = self.queue.is_watched(room);
        let importance = if is_watched { Importance::Suspicious } else { Importance::Known };
        self.want(room, importance, at);
    }

    /// Something about every watched room may have been missed, until `at`.
    pub fn suspect_watched(&mut self, at: Instant) {
        let watched: Vec<_> = self.watched.keys().cloned().collect();
        for room in &watched {
            self.suspect(room, at);
        }
    }

    /// Compares a room regularly from `due` on. The receiver changes each time that a comparison has ended.
    pub fn watch(&mut self, room: &RoomName, due: Instant) -> watch::Receiver<()> {
        let due = self.troubles.until(room, due).unwrap_or(due);
        self.queue.watch(room, due);
        self.intervals.watch(room);
        let watched = self.watched.entry(room.clone());
        watched.or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    pub fn unwatch(&mut self, room: &RoomName) {
        self.queue.unwatch(room);
        if !self.queue.is_watched(room) {
            self.watched.remove(room);
            self.intervals.unwatch(room);
            self.calling.remove(room);
        }
    }

    /// Notes whether somebody is called in a room. If it is watched and nobody was until now, it is compared at `due`, and this
    /// returns true.
    pub fn note_calling(&mut self, room: &RoomName, is_calling: bool, due: Instant) -> bool {
        if !is_calling {
            self.calling.remove(room);
            return false;
        }
        let is_news = self.queue.is_watched(room) && self.calling.insert(room.clone());
        if is_news {
            self.want(room, Importance::Calling, due);
        }
        is_news
    }

    pub fn is_calling(&self, room: &RoomName) -> bool {
        self.calling.contains(room)
    }

    /// What probes in a room are for.
    pub fn purpose_of_probes(&self, room: &RoomName) -> CallPurpose {
        if self.queue.is_watched(room) { CallPurpose::Watched } else { CallPurpose::Other }
    }

    /// If no call is left for waiting clients, answers them with what is known, so that nobody waits for the budget. Their rooms
    /// are compared later, with the importance of known rooms.
    pub fn answer_awaited(&mut self, now: Instant) {
        let is_paused = self.budget.paused_until() > now;
        if is_paused || self.budget.has(CallPurpose::Waiting, now) {
            return;
        }
        for room in self.queue.awaited() {
            // A stream that is about to begin waits for a moment, so that it begins with everybody.
            if !self.queue.is_watched(&room) {
                self.queue.demote(&room, Importance::Known);
                self.tell(&room, ComparisonOutcome::Unknown);
            }
        }
    }

    /// Tells those who wait for a room, or watch it, how its comparison ended.
    pub fn tell(&mut self, room: &RoomName, outcome: ComparisonOutcome) {
        if let Some(waiting) = self.waiting.remove(room) {
            waiting.send_replace(Some(outcome));
        }
        // Those who watch look whether the room is confirmed now.
        if outcome != ComparisonOutcome::Unknown
            && let Some(watched) = self.watched.get(room)
        {
            watched.send_replace(());
        }
    }

    /// Measures how long rooms have to wait now. While LiveKit cannot be asked, no wait counts.
    pub fn measure_pace(&mut self, now: Instant) -> &Pace {
        if matches!(self.health, Health::Down { .. }) || self.budget.paused_until() > now {
            self.pace.stands_still(now);
        }
        self.pace.waits(self.queue.waits_since(), now);
        &self.pace
    }

    /// A node of LiveKit may have crashed, which ends many sessions at once.
    pub fn alarm(&mut self, now: Instant) {
        self.alarmed_until = self.alarmed_until.max(Some(now + ALARMED_FOR));
    }

    /// LiveKit's own Redis tells that one of its servers may have crashed. Has the watched rooms compared, and somebody in each of
    /// them probed.
    pub fn node_lost(&mut self, now: Instant) {
        self.alarmed_until = self.alarmed_until.max(Some(now + WARY_FOR));
        self.crashed_at = Some(now);
        self.suspect_watched(now);
    }

    pub fn is_alarmed(&self, now: Instant) -> bool {
        self.alarmed_until.is_some_and(|until| now < until)
    }

    /// For how long somebody who gives no reason to doubt has shown no life when they are probed: `usually`, or since a crash.
    pub fn silence(&self, usually: Duration, now: Instant) -> Duration {
        let since_crash = self.crashed_at.map(|at| now.saturating_duration_since(at));
        since_crash.map_or(usually, |since| since.min(usually))
    }

    pub fn note_witness(&mut self, asked_at: StoreTime) {
        self.witness_at = self.witness_at.max(asked_at);
    }

    /// Whether another session has answered a probe since the one that failed. The failing session itself has not.
    pub fn has_witness_since(&self, failed_at: Option<StoreTime>) -> bool {
        failed_at.is_some_and(|failed_at| self.witness_at > failed_at)
    }
}
