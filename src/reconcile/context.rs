//! Which room is compared when: what is due, as far as the budget and the other instances allow.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, sleep_until},
};
use tracing::warn;

use crate::{
    abort_on_panic,
    coordination::{CoordinationError, Lease, Peers, SharedRooms},
    livekit::Api,
    presence::{RoomName, Rules, SessionInfo, StoreTime},
    store::Store,
};

use super::{
    ReconcileMetrics, ReconcileSettings,
    api_health::{About, Health, MAX_BACKOFF},
    compare::comparison::{self, ComparisonOutcome},
    gateway::{LEASE, LOOK_AGAIN, LOOK_UP_TIMEOUT},
    scheduler::sweep::Sweep,
    state::{
        budget::{Budget, CallPurpose},
        listed_rooms::{self, EmptyRooms, ListedRooms, RoomNames},
        pace::Pace,
        queue::{Due, Importance, Queue},
        refusals::{LIVEKIT_RETRIES_FOR, Refusals},
        signers::Signers,
        trouble::Troubles,
    },
};

/// Comparisons under way at the same time.
const MAX_AT_ONCE: usize = 32;
/// The scheduler wakes up at least this often. When it does not, the process stood still, and webhooks were lost.
const TICK: Duration = Duration::from_secs(5);
/// Rooms whose sessions are probed at the same time.
const MAX_ROOMS_PROBED: usize = 16;
/// A probe lets clients who wait go first, by this much.
const STAND_BACK: Duration = Duration::from_millis(20);
const STOOD_STILL: Duration = Duration::from_secs(15);
/// A watched room in which somebody is called is compared this often.
pub(super) const CALLING_EVERY: Duration = Duration::from_secs(2);
/// Instances tell each other this often for how long rooms have to wait.
const SHARE_WAIT_EVERY: Duration = Duration::from_secs(5);
/// What an instance told counts for this long.
const WAIT_FRESH: Duration = Duration::from_secs(15);

/// What all of this works on.
pub(crate) struct Scheduler {
    pub api: Api,
    pub store: Arc<dyn Store>,
    pub peers: Arc<dyn Peers>,
    pub rules: Rules,
    pub settings: ReconcileSettings,
    pub metrics: ReconcileMetrics,
    pub state: Mutex<State>,
    /// In microseconds, for every read of a room.
    extra_trust: AtomicU64,
    /// There is something to do for the scheduler.
    pub wake: Notify,
    pub probing_places: Arc<Semaphore>,
    /// A comparison that the sweep waited for has ended.
    pub swept: Notify,
    pub listed_rooms: ListedRooms,
    pub empty_rooms: EmptyRooms,
    signers: Mutex<Signers>,
}

/// What changes all the time.
pub(super) struct State {
    pub queue: Queue,
    pub budget: Budget,
    pub pace: Pace,
    pub running: usize,
    /// Clients who wait for a room.
    pub waiting: HashMap<RoomName, watch::Sender<Option<ComparisonOutcome>>>,
    /// Watched rooms; each sender tells that the room was confirmed.
    pub watched: HashMap<RoomName, watch::Sender<()>>,
    /// Rooms whose sessions are being probed.
    pub probing: HashSet<RoomName>,
    /// Watched rooms in which somebody is called by telephone.
    pub calling: HashSet<RoomName>,
    pub health: Health,
    /// Calls in a row that said nothing, of which each may be one room's own fault.
    pub failures: u32,
    /// Such a room: LiveKit has to be asked something small about it, to know whether it answers at all.
    pub check_wanted: Option<RoomName>,
    pub is_checking: bool,
    pub troubles: Troubles,
    /// When the last probe that a session answered was made: a witness that LiveKit answers.
    pub witness_at: StoreTime,
    pub refusals: Refusals,
    pub sweep: Sweep,
    /// Rooms that the sweep waits for.
    pub sweeping: HashSet<RoomName>,
}

/// A room whose sessions are being probed, by one task at a time.
pub(super) struct Probing {
    inner: Arc<Scheduler>,
    room: RoomName,
    _place: OwnedSemaphorePermit,
}

impl Drop for Probing {
    fn drop(&mut self) {
        self.inner.state().probing.remove(&self.room);
    }
}

impl Scheduler {
    pub fn start(
        api: Api,
        store: Arc<dyn Store>,
        peers: Arc<dyn Peers>,
        rules: Rules,
        settings: ReconcileSettings,
        metrics: ReconcileMetrics,
    ) -> Arc<Self> {
        let now = Instant::now();
        // What was compared shortly before has missed nothing: LiveKit repeats what it could not send meanwhile.
        let unknown_since = now.checked_sub(LIVEKIT_RETRIES_FOR).unwrap_or(now);
        let state = State {
            queue: Queue::default(),
            budget: Budget::new(settings.calls_per_minute, Instant::now()),
            pace: Pace::new(Instant::now()),
            running: 0,
            waiting: HashMap::new(),
            watched: HashMap::new(),
            probing: HashSet::new(),
            calling: HashSet::new(),
            health: Health::Up,
            failures: 0,
            check_wanted: None,
            is_checking: false,
            troubles: Troubles::default(),
            witness_at: StoreTime::default(),
            refusals: Refusals::default(),
            sweep: Sweep::wanted(unknown_since, now),
            sweeping: HashSet::new(),
        };
        metrics.api_up.set(1);
        let inner = Arc::new(Scheduler {
            api,
            store,
            peers,
            rules,
            settings,
            metrics,
            state: Mutex::new(state),
            extra_trust: AtomicU64::default(),
            wake: Notify::new(),
            probing_places: Arc::new(Semaphore::new(MAX_ROOMS_PROBED)),
            swept: Notify::new(),
            listed_rooms: ListedRooms::default(),
            empty_rooms: EmptyRooms::default(),
            signers: Mutex::default(),
        });
        let sharing = share_wait(Arc::clone(&inner));
        tokio::spawn(abort_on_panic::task("what instances tell of their waits", sharing));
        let scheduling = schedule(Arc::clone(&inner));
        tokio::spawn(abort_on_panic::task("the schedule of comparisons", scheduling));
        inner
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("never held in a panic")
    }

    pub fn signers(&self) -> MutexGuard<'_, Signers> {
        self.signers.lock().expect("never held in a panic")
    }

    /// LiveKit gave its list of a room: are those in it whom webhooks named?
    pub fn compare_signers(&self, room: &RoomName, listed: &[SessionInfo], asked_at: Instant) {
        if let Some(key_name) = self.signers().listed(room, listed, asked_at) {
            warn!(
                key.name = key_name,
                room.name = %room,
                "webhooks signed with this key are of another LiveKit than `livekit.url`, which does not have the people they \
                 name; their people are taken out again. Run a service of its own, with its own `store.key_prefix`, for each LiveKit"
            );
        }
    }

    /// Starts what is due and allowed. Tells when to look again.
    pub fn start_due(self: &Arc<Self>) -> Instant {
        let mut state = self.state();
        let now = Instant::now();
        let mut look_again = now + TICK;
        self.measure_pace(&mut state, now);
        while state.running < MAX_AT_ONCE {
            let State { queue, budget, .. } = &mut *state;
            let mut allowed = None;
            for due in queue.due(now) {
                match Self::take_call(budget, due, queue.is_watched(due.room), now) {
                    Ok(purpose) => {
                        let Due { room, importance, since, newest } = due;
                        allowed = Some((room.clone(), importance, since, newest, purpose));
                        break;
                    }
                    Err(ready_at) => look_again = look_again.min(ready_at),
                }
            }
            if !matches!(allowed, Some((_, Importance::Waiting, ..))) {
                state.answer_awaited(now);
            }
            let Some((room, importance, since, newest, purpose)) = allowed else { break };
            self.metrics.waited(now.duration_since(since));
            state.queue.start(&room);
            state.running += 1;
            let comparing = comparison::run(Arc::clone(self), room, importance, purpose, newest);
            tokio::spawn(abort_on_panic::task("a comparison", comparing));
        }
        let next = state.queue.next_at().filter(|at| *at > now);
        next.map_or(look_again, |at| at.min(look_again))
    }

    /// Takes the call that a comparison costs. A stream that begins waits for its room, which is watched by now: where clients who
    /// wait have used up their share, it has that of watched rooms.
    fn take_call(
        budget: &mut Budget,
        due: Due<'_>,
        is_watched: bool,
        now: Instant,
    ) -> Result<CallPurpose, Instant> {
        let own = Self::purpose(due.importance);
        let mut take = |purpose| budget.take(purpose, now).map(|()| purpose);
        take(own).or_else(|ready_at| match own {
            CallPurpose::Waiting if is_watched => {
                take(CallPurpose::Watched).map_err(|other| other.min(ready_at))
            }
            _ => Err(ready_at),
        })
    }

    /// How long rooms have to wait, and therefore how long they are trusted.
    fn measure_pace(&self, state: &mut State, now: Instant) {
        let State { pace, queue, budget, health, .. } = state;
        if matches!(health, Health::Down { .. }) || budget.paused_until() > now {
            pace.stands_still(now);
        }
        pace.waits(queue.waits_since(), now);
        let extra_trust = pace.extra_trust(self.settings.every, self.rules.trust);
        let micros = u64::try_from(extra_trust.as_micros()).unwrap_or(u64::MAX);
        self.extra_trust.store(micros, Ordering::Relaxed);
        self.store.trust_longer(extra_trust);
    }

    /// For how much longer than `Rules::trust` rooms are trusted now.
    pub fn extra_trust(&self) -> Duration {
        Duration::from_micros(self.extra_trust.load(Ordering::Relaxed))
    }

    /// How often a watched room can be compared.
    pub fn interval(&self) -> Duration {
        self.settings.every + self.state().pace.wait()
    }

    pub fn purpose(importance: Importance) -> CallPurpose {
        match importance {
            Importance::Waiting => CallPurpose::Waiting,
            Importance::Suspicious | Importance::Watched => CallPurpose::Watched,
            Importance::Calling => CallPurpose::Calling,
            Importance::Known | Importance::Listed => CallPurpose::Other,
        }
    }

    pub fn purpose_of_probes(&self, room: &RoomName) -> CallPurpose {
        if self.state().queue.is_watched(room) { CallPurpose::Watched } else { CallPurpose::Other }
    }

    /// Waits until the sessions of a room may be probed. None where they are being probed.
    pub async fn start_probing(self: &Arc<Self>, room: &RoomName) -> Option<Probing> {
        if !self.state().probing.insert(room.clone()) {
            return None;
        }
        let place = Arc::clone(&self.probing_places).acquire_owned().await;
        let place = place.expect("the semaphore is never closed");
        Some(Probing { inner: Arc::clone(self), room: room.clone(), _place: place })
    }

    /// Tells those who wait for a room, or watch it, how its comparison ended.
    pub fn tell(&self, room: &RoomName, outcome: ComparisonOutcome) {
        self.state().tell(room, outcome);
    }

    pub fn finished(&self, room: &RoomName, importance: Importance, outcome: ComparisonOutcome) {
        let mut state = self.state();
        let now = Instant::now();
        state.tell(room, outcome);
        state.running -= 1;
        if state.sweeping.remove(room) {
            self.swept.notify_one();
        }
        if outcome == ComparisonOutcome::Confirmed {
            state.troubles.is_well(room);
        }
        let not_before = state.troubles.until(room, now);
        let due = now + jittered(self.settings.every);
        state.queue.finish(room, due.max(not_before.unwrap_or(due)));
        if state.calling.contains(room) {
            state.want(room, Importance::Calling, now + jittered(CALLING_EVERY));
        }
        let again = not_before.unwrap_or(now + MAX_BACKOFF);
        match (outcome, importance) {
            (ComparisonOutcome::Confirmed | ComparisonOutcome::Undecided, _) => {}
            // What was missed stays so until LiveKit says.
            (ComparisonOutcome::Unknown, Importance::Known) => {
                state.queue.want(room, Importance::Known, again);
            }
            (ComparisonOutcome::Unknown, _) if state.queue.is_watched(room) => {
                state.queue.want(room, Importance::Suspicious, again);
            }
            (ComparisonOutcome::Unknown, Importance::Suspicious) => {
                state.queue.want(room, Importance::Known, again);
            }
            // A client that reads it asks again.
            (
                ComparisonOutcome::Unknown,
                Importance::Waiting
                | Importance::Calling
                | Importance::Watched
                | Importance::Listed,
            ) => {}
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Whether somebody is called by telephone in a room. If it is watched, it is compared often until they answer.
    pub fn is_calling(&self, room: &RoomName, is_calling: bool) {
        let mut state = self.state();
        if !is_calling {
            state.calling.remove(room);
        } else if state.queue.is_watched(room) && state.calling.insert(room.clone()) {
            state.want(room, Importance::Calling, Instant::now() + jittered(CALLING_EVERY));
            drop(state);
            self.wake.notify_one();
        }
    }

    /// A comparison that was given out cannot be made now: it goes back into the queue.
    pub fn postpone(
        &self,
        room: &RoomName,
        importance: Importance,
        purpose: CallPurpose,
        wait: Duration,
    ) {
        let mut state = self.state();
        let now = Instant::now();
        state.budget.give_back(purpose, now);
        state.running -= 1;
        state.queue.finish(room, now + jittered(self.settings.every));
        state.queue.want(room, importance, now + wait);
        drop(state);
        self.wake.notify_one();
    }

    /// A comparison that was given out cannot be made, because all instances together have no call left. Clients who wait for it
    /// are answered with what is known.
    pub fn no_call_left(&self, room: &RoomName, importance: Importance, purpose: CallPurpose) {
        let mut state = self.state();
        let now = Instant::now();
        state.budget.give_back(purpose, now);
        state.running -= 1;
        state.queue.put_back(room);
        if importance == Importance::Waiting {
            state.answer_awaited(now);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// A call that was taken from this instance's budget is there for another.
    pub fn call_not_made(&self, purpose: CallPurpose) {
        self.state().budget.give_back(purpose, Instant::now());
    }

    /// Takes a call if the budget allows it now.
    pub async fn may_call(&self, purpose: CallPurpose) -> bool {
        let is_allowed = self.state().budget.take(purpose, Instant::now()).is_ok();
        is_allowed && matches!(self.take_shared_call(purpose).await, Ok(Duration::ZERO))
    }

    /// Waits until the budget allows a call.
    pub async fn allowance(&self, purpose: CallPurpose) -> Result<(), CoordinationError> {
        loop {
            let now = Instant::now();
            let taken = {
                let mut state = self.state();
                // Those who wait come first.
                let is_awaited = state.queue.due(now).next().map(|due| due.importance);
                if is_awaited == Some(Importance::Waiting) && state.running < MAX_AT_ONCE {
                    Err(now + STAND_BACK)
                } else {
                    state.budget.take(purpose, now)
                }
            };
            match taken {
                Ok(()) if self.take_shared_call(purpose).await?.is_zero() => return Ok(()),
                Ok(()) => {}
                Err(ready_at) => sleep_until(ready_at.into()).await,
            }
        }
    }

    /// Takes a call from what all instances together have. Where they have none, says when to ask again, and so does this
    /// instance's own budget until then.
    pub async fn take_shared_call(
        &self,
        purpose: CallPurpose,
    ) -> Result<Duration, CoordinationError> {
        let shared = self.state().budget.shared(purpose);
        let wait = self.peers.take_call(&shared).await?;
        if !wait.is_zero() {
            self.state().budget.deny(purpose, Instant::now() + wait);
        }
        Ok(wait)
    }

    /// LiveKit's rooms, at most a few seconds old.
    pub async fn listed_rooms(&self) -> Option<Arc<RoomNames>> {
        self.listed_rooms.get(async || self.ask_for_rooms().await).await
    }

    /// Asks LiveKit for its rooms, unless another instance did so lately.
    pub async fn ask_for_rooms(&self) -> Option<RoomNames> {
        let deadline = Instant::now() + LOOK_UP_TIMEOUT;
        let held = loop {
            if let Some(held) = self.peers.lease(&Lease::Rooms, LEASE).await.ok()? {
                break held;
            }
            if let Some(shared) = self.peers.shared_rooms().await.ok()? {
                return Some(shared.into());
            }
            if Instant::now() >= deadline {
                return None;
            }
            sleep(LOOK_AGAIN).await;
        };
        let rooms = match self.peers.shared_rooms().await.ok()? {
            Some(shared) => Some(shared.into()),
            None => self.ask_livekit_for_rooms().await,
        };
        // It ends by itself too.
        let _ = self.peers.release(&Lease::Rooms, held).await;
        rooms
    }

    pub async fn ask_livekit_for_rooms(&self) -> Option<RoomNames> {
        let asked_at = self.store.now().await.ok()?;
        // Clients wait for it; and one call serves them all for a while.
        if !self.may_call(CallPurpose::Watched).await && !self.may_call(CallPurpose::Waiting).await
        {
            return None;
        }
        let names = self.api.list_rooms(&[]).await;
        self.api_answered(About::Rooms, names.as_ref().err());
        let shared = SharedRooms { asked_at, names: names.ok()? };
        // Others ask for themselves then.
        let _ = self.peers.share_rooms(&shared, listed_rooms::FRESH).await;
        Some(shared.into())
    }

    pub fn note_witness(&self, asked_at: StoreTime) {
        let mut state = self.state();
        state.witness_at = state.witness_at.max(asked_at);
    }

    /// Whether another session has answered a probe since the one that failed. The failing session itself has not.
    pub fn has_witness_since(&self, failed_at: Option<StoreTime>) -> bool {
        failed_at.is_some_and(|failed_at| self.state().witness_at > failed_at)
    }
}

impl State {
    /// Has a room compared from `at` on, or when it may be asked about.
    pub fn want(&mut self, room: &RoomName, importance: Importance, at: Instant) {
        let at = self.troubles.until(room, at).unwrap_or(at);
        self.queue.want(room, importance, at);
    }

    /// Nobody waits for a call: where none is left for clients who wait, they are answered with what is known, and their rooms
    /// are compared when it is the turn of others like them.
    fn answer_awaited(&mut self, now: Instant) {
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

    pub fn suspect(&mut self, room: &RoomName, now: Instant) {
        let is_watched = self.queue.is_watched(room);
        let importance = if is_watched { Importance::Suspicious } else { Importance::Known };
        self.want(room, importance, now);
    }

    /// Something about every watched room may have been missed, until `wanted_at`.
    pub fn suspect_watched(&mut self, wanted_at: Instant) {
        let watched: Vec<_> = self.watched.keys().cloned().collect();
        for room in &watched {
            self.suspect(room, wanted_at);
        }
    }

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
}

/// Gives out comparisons as they are due and the budget allows, for as long as the process lives.
async fn schedule(inner: Arc<Scheduler>) {
    let mut woke_at = Instant::now();
    loop {
        inner.start_sweep();
        inner.start_check();
        let mut look_again = inner.start_due();
        if let Some(due_at) = inner.state().sweep.due_at() {
            look_again = look_again.min(due_at);
        }
        tokio::select! {
            () = sleep_until(look_again.into()) => {}
            () = inner.wake.notified() => {}
        }
        let now = Instant::now();
        if now.duration_since(woke_at) > STOOD_STILL {
            warn!("the process stood still; all rooms are compared with LiveKit's lists");
            let mut state = inner.state();
            state.sweep.want(now);
            state.pace.stands_still(now);
        }
        woke_at = now;
    }
}

/// Tells the other instances for how long rooms have to wait here, and hears it from them: a webhook may come to one that watches
/// no room.
async fn share_wait(inner: Arc<Scheduler>) {
    loop {
        let own_wait = inner.state().pace.own_wait();
        if let Ok(longest) = inner.peers.share_wait(own_wait, WAIT_FRESH).await {
            let mut state = inner.state();
            state.pace.is_told(longest);
            inner.measure_pace(&mut state, Instant::now());
        }
        sleep(SHARE_WAIT_EVERY).await;
    }
}

/// Between four fifths of a time and all of it, so that rooms do not act together.
pub(super) fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64().mul_add(0.2, 0.8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_begins_has_the_share_of_watched_rooms_besides_that_of_waiting_clients() {
        let start = Instant::now();
        let room = RoomName::parse("general").unwrap();
        let due = Due { room: &room, importance: Importance::Waiting, since: start, newest: start };
        let granted_within_two_seconds = |is_watched| {
            let mut budget = Budget::new(600, start);
            let moments = (0..2_000).map(|millis| start + Duration::from_millis(millis));
            let granted = moments
                .flat_map(|now| std::iter::repeat_n(now, 60))
                .filter_map(|now| Scheduler::take_call(&mut budget, due, is_watched, now).ok());
            granted.count()
        };
        assert_eq!(granted_within_two_seconds(false), 39);
        assert_eq!(granted_within_two_seconds(true), 49);
    }
}
