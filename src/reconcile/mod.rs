//! LiveKit's own lists, compared with ours: webhooks get lost in silence, and some changes have none.
//!
//! Decides which room is compared when, within the budget of calls, asks LiveKit, lets the pure rules of `presence` compute
//! repairs, and hands those to the store. Whoever shows a room asks here to have it confirmed; nothing here knows browsers.

mod budget;
mod comparison;
mod listed_rooms;
mod metrics;
mod queue;

pub use metrics::ReconcileMetrics;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, watch},
    time::{sleep, sleep_until, timeout},
};
use tracing::{info, warn};

use crate::{
    abort_on_panic,
    livekit::{Api, ApiError},
    presence::{RoomName, Rules, StoreTime},
    store::{RoomSummary, Store},
};

use budget::{Budget, Purpose};
use comparison::Outcome;
use listed_rooms::{EmptyRooms, ListedRooms, RoomNames};
use queue::{Importance, Queue};

/// Comparisons under way at the same time.
const MOST_AT_ONCE: usize = 32;
/// Whoever waits for LiveKit is then answered with what is known.
const PATIENCE: Duration = Duration::from_secs(2);
/// While LiveKit's API is down the pause between two calls doubles, up to this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// The scheduler wakes up at least this often. When it does not, the process stood still, and webhooks were lost.
const TICK: Duration = Duration::from_secs(5);
/// A store that could not tell its rooms is asked again after this time.
const SWEEP_RETRY: Duration = Duration::from_secs(1);
const STOOD_STILL: Duration = Duration::from_secs(15);

/// How often rooms are compared, and at what cost.
#[derive(Clone, Debug)]
pub struct ReconcileSettings {
    /// A watched room is compared this often.
    pub every: Duration,
    /// All instances together.
    pub calls_per_minute: u32,
}

/// Compares rooms with LiveKit's lists. Cheap to clone.
#[derive(Clone)]
pub struct Reconciler(Arc<Inner>);

/// Whether a room was brought into line with LiveKit's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    Confirmed,
    /// LiveKit did not say in time. The room is compared as soon as it does.
    Unknown,
}

pub(crate) struct Inner {
    api: Api,
    store: Arc<dyn Store>,
    rules: Rules,
    settings: ReconcileSettings,
    metrics: ReconcileMetrics,
    state: Mutex<State>,
    /// There is something to do for the scheduler.
    wake: Notify,
    listed_rooms: ListedRooms,
    empty_rooms: EmptyRooms,
}

struct State {
    queue: Queue,
    budget: Budget,
    running: usize,
    /// Readers who wait for a room.
    waiting: HashMap<RoomName, watch::Sender<Option<Outcome>>>,
    /// Watched rooms, and until when each is confirmed.
    watched: HashMap<RoomName, watch::Sender<StoreTime>>,
    health: Health,
    /// When a session last proved its life, by the time its proof was asked for: a witness that LiveKit answers.
    proved_at: StoreTime,
    /// Webhooks were missed, of whichever rooms: all that are known are to be compared.
    is_sweep_wanted: bool,
}

/// Whether LiveKit's API answers.
enum Health {
    Up,
    Down { backoff: Duration },
}

/// A room that is compared regularly, until this is dropped.
pub struct Watched {
    reconciler: Reconciler,
    room: RoomName,
    confirmed: watch::Receiver<StoreTime>,
}

impl Watched {
    /// Waits for the next time that the room is confirmed; tells until when.
    pub async fn confirmed(&mut self) -> StoreTime {
        if self.confirmed.changed().await.is_err() {
            return std::future::pending().await;
        }
        *self.confirmed.borrow_and_update()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut state = self.reconciler.0.state();
        state.queue.unwatch(&self.room);
        if !state.queue.is_watched(&self.room) {
            state.watched.remove(&self.room);
        }
    }
}

impl Reconciler {
    /// Starts comparing; all rooms that the store knows come first, because nobody knows what was missed until now.
    pub fn start(
        api: Api,
        store: Arc<dyn Store>,
        rules: Rules,
        settings: ReconcileSettings,
        metrics: ReconcileMetrics,
    ) -> Self {
        let state = State {
            queue: Queue::default(),
            budget: Budget::new(settings.calls_per_minute, Instant::now()),
            running: 0,
            waiting: HashMap::new(),
            watched: HashMap::new(),
            health: Health::Up,
            proved_at: StoreTime::default(),
            is_sweep_wanted: true,
        };
        metrics.api_up.set(1);
        let inner = Arc::new(Inner {
            api,
            store,
            rules,
            settings,
            metrics,
            state: Mutex::new(state),
            wake: Notify::new(),
            listed_rooms: ListedRooms::default(),
            empty_rooms: EmptyRooms::default(),
        });
        let scheduling = schedule(Arc::clone(&inner));
        tokio::spawn(abort_on_panic::task("the schedule of comparisons", scheduling));
        Self(inner)
    }

    /// Has a room compared now, and waits for it; once, however many ask.
    pub async fn confirm(&self, room: &RoomName) -> Confirmation {
        let mut answer = {
            let mut state = self.0.state();
            let now = Instant::now();
            if !state.queue.is_running(room) {
                state.queue.want(room, Importance::Waiting, now);
            }
            if state.budget.is_paused_beyond(now + PATIENCE) {
                return Confirmation::Unknown;
            }
            state
                .waiting
                .entry(room.clone())
                .or_insert_with(|| watch::Sender::new(None))
                .subscribe()
        };
        self.0.wake.notify_one();
        match timeout(PATIENCE, answer.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) if matches!(*outcome, Some(Outcome::Confirmed(_))) => {
                Confirmation::Confirmed
            }
            _ => Confirmation::Unknown,
        }
    }

    /// Whether LiveKit is being asked about a room: whoever joins in costs nothing.
    pub fn is_asking(&self, room: &RoomName) -> bool {
        self.0.state().waiting.contains_key(room)
    }

    /// Something about the room was missed: it is compared as soon as the budget allows.
    pub fn suspect(&self, room: &RoomName) {
        self.0.state().queue.want(room, Importance::Suspicious, Instant::now());
        self.0.wake.notify_one();
    }

    /// A webhook about this room could not be stored, and others may have been lost: LiveKit repeats them only for a while.
    pub fn webhook_refused(&self, room: &RoomName) {
        self.0.state().is_sweep_wanted = true;
        self.suspect(room);
    }

    /// Compares a room regularly from now on.
    pub fn watch(&self, room: &RoomName) -> Watched {
        let mut state = self.0.state();
        let due = Instant::now() + jittered(self.0.settings.every);
        state.queue.watch(room, due);
        let confirmed = state
            .watched
            .entry(room.clone())
            .or_insert_with(|| watch::Sender::new(StoreTime::default()))
            .subscribe();
        drop(state);
        self.0.wake.notify_one();
        Watched { reconciler: self.clone(), room: room.clone(), confirmed }
    }

    /// Until when nobody is in a room that no store holds, as LiveKit said when it was asked last.
    pub fn empty_until(&self, room: &RoomName) -> Option<StoreTime> {
        self.0.empty_rooms.until(room)
    }

    /// Adds the rooms that only LiveKit knows to those of the store, and has those compared whose people are not known.
    pub async fn complete(&self, mut rooms: Vec<RoomSummary>) -> Vec<RoomSummary> {
        let Some(listed) = self.0.listed_rooms().await else { return rooms };
        let Ok(now) = self.0.store.now().await else { return rooms };
        for room in rooms.iter().filter(|room| !room.is_whole || !listed.contains(&room.name)) {
            self.compare_later(&room.name);
        }
        let known: std::collections::HashSet<_> =
            rooms.iter().map(|room| room.name.clone()).collect();
        for name in listed.iter().filter(|name| !known.contains(*name)) {
            let is_whole = self.empty_until(name).is_some_and(|until| until >= now);
            if !is_whole {
                self.compare_later(name);
            }
            rooms.push(RoomSummary { name: name.clone(), count: 0, is_whole });
        }
        self.0.wake.notify_one();
        rooms
    }

    fn compare_later(&self, room: &RoomName) {
        self.0.state().queue.want(room, Importance::Listed, Instant::now());
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("never held in a panic")
    }

    /// Starts what is due and allowed. Tells when to look again.
    fn start_due(self: &Arc<Self>) -> Instant {
        let mut state = self.state();
        let now = Instant::now();
        let mut look_again = now + TICK;
        while state.running < MOST_AT_ONCE {
            let State { queue, budget, .. } = &mut *state;
            let mut allowed = None;
            for (room, importance) in queue.due(now) {
                match budget.take(self.purpose(queue, room, importance), now) {
                    Ok(()) => {
                        allowed = Some((room.clone(), importance));
                        break;
                    }
                    Err(ready_at) => look_again = look_again.min(ready_at),
                }
            }
            let Some((room, importance)) = allowed else { break };
            self.metrics.waited(queue.behind(now));
            queue.start(&room);
            state.running += 1;
            let comparing = comparison::run(Arc::clone(self), room, importance);
            tokio::spawn(abort_on_panic::task("a comparison", comparing));
        }
        let next = state.queue.next_at().filter(|at| *at > now);
        next.map_or(look_again, |at| at.min(look_again))
    }

    fn purpose_of(&self, room: &RoomName, importance: Importance) -> Purpose {
        self.purpose(&self.state().queue, room, importance)
    }

    #[expect(clippy::unused_self, reason = "beside `purpose_of`")]
    fn purpose(&self, queue: &Queue, room: &RoomName, importance: Importance) -> Purpose {
        match importance {
            Importance::Watched => Purpose::Watched,
            Importance::Waiting => Purpose::Waiting,
            Importance::Suspicious if queue.is_watched(room) => Purpose::Watched,
            Importance::Suspicious | Importance::Known | Importance::Listed => Purpose::Other,
        }
    }

    /// Tells whoever waits for a room, or watches it, how its comparison ended.
    fn tell(&self, room: &RoomName, outcome: Outcome) {
        let mut state = self.state();
        if let Some(waiting) = state.waiting.remove(room) {
            waiting.send_replace(Some(outcome));
        }
        if let Outcome::Confirmed(until) = outcome
            && let Some(watched) = state.watched.get(room)
        {
            watched.send_replace(until);
        }
    }

    fn finished(&self, room: &RoomName, importance: Importance, outcome: Outcome) {
        let mut state = self.state();
        let now = Instant::now();
        state.running -= 1;
        state.queue.finish(room, now + jittered(self.settings.every));
        let is_answered = matches!(outcome, Outcome::Confirmed(_));
        // What was suspected stays so until LiveKit says. A reader who waited has been answered; its stream still waits.
        if !is_answered && importance != Importance::Listed {
            let again = if importance == Importance::Watched {
                Importance::Watched
            } else {
                Importance::Suspicious
            };
            if again == Importance::Suspicious || state.queue.is_watched(room) {
                state.queue.want(room, again, now + LONGEST_BACKOFF);
            }
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Takes a call if the budget allows it now.
    fn may_call(&self, purpose: Purpose) -> bool {
        self.state().budget.take(purpose, Instant::now()).is_ok()
    }

    /// Waits until the budget allows a call.
    async fn allowance(&self, purpose: Purpose) {
        loop {
            let taken = self.state().budget.take(purpose, Instant::now());
            match taken {
                Ok(()) => return,
                Err(ready_at) => sleep_until(ready_at.into()).await,
            }
        }
    }

    /// LiveKit's rooms, at most a few seconds old.
    async fn listed_rooms(&self) -> Option<RoomNames> {
        self.listed_rooms
            .get(async || {
                if !self.may_call(Purpose::Watched) {
                    return None;
                }
                let rooms = self.api.list_rooms(&[]).await;
                self.api_answered(rooms.as_ref().err());
                rooms.ok()
            })
            .await
    }

    /// Notes whether LiveKit's API works, and slows down while it does not. Says so once, not at each call.
    fn api_answered(&self, error: Option<&ApiError>) {
        let mut state = self.state();
        let now = Instant::now();
        match error {
            None | Some(ApiError::NoResponse) => {
                if matches!(state.health, Health::Down { .. }) {
                    info!("LiveKit's API answers again");
                    // What it did meanwhile may have reached nobody.
                    state.is_sweep_wanted = true;
                }
                state.health = Health::Up;
                self.metrics.api_up.set(1);
            }
            Some(ApiError::Limited(wait)) => {
                warn!(
                    wait.secs = wait.as_secs(),
                    "LiveKit limits our calls; lower `livekit.calls_per_minute`"
                );
                state.budget.pause(now + *wait);
            }
            // One room's list that is slow to come says nothing about the others.
            Some(ApiError::TimedOut(_)) => {}
            Some(error) => {
                let backoff = match state.health {
                    Health::Up => {
                        warn!(%error, "LiveKit's API does not work; lists are as webhooks give them");
                        FIRST_BACKOFF
                    }
                    Health::Down { backoff } => (backoff * 2).min(LONGEST_BACKOFF),
                };
                state.budget.pause(now + backoff);
                state.health = Health::Down { backoff };
                self.metrics.api_up.set(0);
            }
        }
    }

    fn life_was_proved(&self, asked_at: StoreTime) {
        let mut state = self.state();
        state.proved_at = state.proved_at.max(asked_at);
    }

    /// Whether another session proved its life after a proof that failed. Whoever fails has not proved its own since.
    fn life_was_proved_since(&self, failed_at: Option<StoreTime>) -> bool {
        failed_at.is_some_and(|failed_at| self.state().proved_at > failed_at)
    }

    /// Has all rooms compared that the store knows, if that is wanted.
    fn start_sweep(self: &Arc<Self>) {
        if std::mem::take(&mut self.state().is_sweep_wanted) {
            let inner = Arc::clone(self);
            tokio::spawn(async move { inner.sweep().await });
        }
    }

    async fn sweep(&self) {
        match self.store.rooms().await {
            Ok(rooms) => {
                let mut state = self.state();
                let now = Instant::now();
                for room in rooms {
                    let importance = if state.queue.is_watched(&room.name) {
                        Importance::Suspicious
                    } else {
                        Importance::Known
                    };
                    state.queue.want(&room.name, importance, now);
                }
            }
            Err(_) => {
                // Webhooks are lost as long as this lasts.
                sleep(SWEEP_RETRY).await;
                self.state().is_sweep_wanted = true;
            }
        }
        self.wake.notify_one();
    }
}

/// Gives out comparisons as they are due and the budget allows, for as long as the process lives.
async fn schedule(inner: Arc<Inner>) {
    let mut woke_at = Instant::now();
    loop {
        inner.start_sweep();
        let look_again = inner.start_due();
        tokio::select! {
            () = sleep_until(look_again.into()) => {}
            () = inner.wake.notified() => {}
        }
        let now = Instant::now();
        if now.duration_since(woke_at) > STOOD_STILL {
            warn!("the process stood still; all rooms are compared with LiveKit's lists");
            inner.state().is_sweep_wanted = true;
        }
        woke_at = now;
    }
}

/// Between four fifths of a time and all of it, so that rooms do not act together.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(fastrand::f64().mul_add(0.2, 0.8))
}
