//! What the rest of the service calls.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, time::timeout};

use crate::{
    coordination::Peers,
    livekit::Api,
    presence::{Completeness, Event, EventKind, Room, RoomName, Rules, StoreTime},
    store::{RoomSummary, Store},
};

use super::{
    ReconcileMetrics,
    compare::comparison::ComparisonOutcome,
    context::{CALLING_EVERY, Scheduler, jittered},
    state::queue::Importance,
};

/// A client that waits for LiveKit is answered after this time with what is known.
pub(super) const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that asks for a room that may be made up waits this long for LiveKit's list of rooms.
const ROOMS_TIMEOUT: Duration = Duration::from_millis(500);
/// An instance that compares a room, or asks for the rooms, holds a lease for at most this long.
pub(super) const LEASE: Duration = Duration::from_secs(6);
/// An instance that waits for another looks again after this time.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(50);

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
pub struct Reconciler(Arc<Scheduler>);

/// Whether a room was brought into line with LiveKit's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    Confirmed,
    /// LiveKit did not say in time. The room is compared as soon as it does.
    Unknown,
}

/// A room that is compared regularly, until this is dropped.
pub struct Watched {
    reconciler: Reconciler,
    room: RoomName,
    confirmed: watch::Receiver<()>,
}

impl Watched {
    /// Waits for the next time that the room is confirmed.
    pub async fn confirmed(&mut self) {
        if self.confirmed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let mut state = self.reconciler.0.state();
        state.queue.unwatch(&self.room);
        if !state.queue.is_watched(&self.room) {
            state.watched.remove(&self.room);
            state.calling.remove(&self.room);
        }
    }
}

impl Reconciler {
    /// Starts comparing, all rooms that the store knows, too: nobody knows what was missed until now.
    pub fn start(
        api: Api,
        store: Arc<dyn Store>,
        peers: Arc<dyn Peers>,
        rules: Rules,
        settings: ReconcileSettings,
        metrics: ReconcileMetrics,
    ) -> Self {
        Self(Scheduler::start(api, store, peers, rules, settings, metrics))
    }

    /// Has a room compared, and waits for it; once, however many ask. A comparison serves that began after `asked_at`, when the
    /// caller was about to read what the store has.
    pub async fn confirm(&self, room: &RoomName, asked_at: Instant) -> Confirmation {
        let mut answer = {
            let mut state = self.0.state();
            let now = Instant::now();
            let is_in_trouble = state.troubles.until(room, now).is_some();
            if is_in_trouble || state.budget.paused_until() > now + LOOK_UP_TIMEOUT {
                return Confirmation::Unknown;
            }
            if !state.queue.is_running(room) {
                state.queue.want(room, Importance::Waiting, asked_at);
            }
            state
                .waiting
                .entry(room.clone())
                .or_insert_with(|| watch::Sender::new(None))
                .subscribe()
        };
        self.0.wake.notify_one();
        match timeout(LOOK_UP_TIMEOUT, answer.wait_for(Option::is_some)).await {
            Ok(Ok(outcome)) if *outcome == Some(ComparisonOutcome::Confirmed) => {
                Confirmation::Confirmed
            }
            _ => Confirmation::Unknown,
        }
    }

    /// Something about the room was missed: it is compared as soon as the budget allows.
    pub fn suspect(&self, room: &RoomName) {
        self.0.state().suspect(room, Instant::now());
        self.0.wake.notify_one();
    }

    /// A webhook could not be stored, and LiveKit may give it up before it can. Its room is compared; all rooms are where this
    /// lasts for longer than LiveKit repeats webhooks.
    pub fn webhook_refused(&self, room: Option<&RoomName>) {
        let mut state = self.0.state();
        let now = Instant::now();
        if state.refusals.refused(now) {
            state.sweep.want(now);
        }
        if let Some(room) = room {
            state.suspect(room, now);
        }
        drop(state);
        self.0.wake.notify_one();
    }

    /// A webhook was stored, after others were not.
    pub fn webhook_taken(&self) {
        let mut state = self.0.state();
        if state.refusals.taken() {
            state.sweep.want(Instant::now());
            drop(state);
            self.0.wake.notify_one();
        }
    }

    /// A webhook was signed with this key: whose people LiveKit does not have is another LiveKit's.
    pub fn webhook_signed(&self, event: &Event, key_name: &str) {
        if key_name == self.0.api.key_name() {
            return;
        }
        let mut signers = self.0.signers();
        match &event.kind {
            EventKind::Joined(info) => {
                signers.joined(&event.room, &info.sid, key_name, Instant::now());
            }
            EventKind::Left { sid, .. } => signers.left(&event.room, sid),
            EventKind::Room(_)
            | EventKind::TrackPublished { .. }
            | EventKind::TrackUnpublished { .. } => {}
        }
    }

    /// Somebody is called by telephone in a watched room: no webhook will tell how that ends.
    pub fn somebody_is_called(&self, room: &RoomName) {
        self.0.is_calling(room, true);
    }

    /// Whether asking about a room that no store holds is no waste: LiveKit's list of rooms has it, or LiveKit is being asked
    /// already.
    pub async fn is_real(&self, room: &RoomName) -> bool {
        let is_asking = || self.0.state().waiting.contains_key(room);
        if is_asking() {
            return true;
        }
        // A caller that stops waiting leaves the question to the others.
        let inner = Arc::clone(&self.0);
        let asking = tokio::spawn(async move { inner.listed_rooms().await });
        let listed = timeout(ROOMS_TIMEOUT, asking).await.ok().and_then(Result::ok).flatten();
        listed.is_some_and(|listed| listed.names.contains(room)) || is_asking()
    }

    /// Compares a room regularly from now on.
    pub fn watch(&self, room: &RoomName) -> Watched {
        let mut state = self.0.state();
        let due = Instant::now() + jittered(self.0.settings.every);
        let due = state.troubles.until(room, due).unwrap_or(due);
        state.queue.watch(room, due);
        let confirmed =
            state.watched.entry(room.clone()).or_insert_with(|| watch::Sender::new(())).subscribe();
        drop(state);
        self.0.wake.notify_one();
        Watched { reconciler: self.clone(), room: room.clone(), confirmed }
    }

    /// For how much longer than its rules say a store's rooms are trusted now: they wait that long for their turn. Beyond what any
    /// of them says of itself.
    pub fn extra_trust(&self) -> Duration {
        self.0.extra_trust()
    }

    /// Whether what is known of a room is too old, because somebody is being called in it: no webhook tells how that ends.
    pub fn is_outdated(room: &Room, now: StoreTime) -> bool {
        room.has_somebody_called() && now.since(room.compared_at()) > CALLING_EVERY
    }

    /// Whether it is known that nobody is in a room that no store holds, and until when, as LiveKit said when it was asked last.
    pub fn completeness_of_empty(&self, room: &RoomName) -> Completeness {
        match self.0.empty_rooms.until(room) {
            Some(until) => Completeness::Complete { until },
            None => Completeness::Partial,
        }
    }

    /// Adds the rooms that only LiveKit knows to those of the store, and has those compared whose people are not known.
    pub async fn complete(&self, mut rooms: Vec<RoomSummary>) -> Vec<RoomSummary> {
        let Some(listed) = self.0.listed_rooms().await else { return rooms };
        let Ok(now) = self.0.store.now().await else { return rooms };
        let is_doubtful =
            |room: &&RoomSummary| !room.is_complete || !listed.names.contains(&room.name);
        for room in rooms.iter().filter(is_doubtful) {
            self.compare_later(&room.name);
        }
        let known: HashSet<_> = rooms.iter().map(|room| room.name.clone()).collect();
        for name in listed.names.iter().filter(|name| !known.contains(*name)) {
            let is_complete = self.completeness_of_empty(name).is_complete_at(now);
            if !is_complete {
                self.compare_later(name);
            }
            rooms.push(RoomSummary { name: name.clone(), count: 0, is_complete });
        }
        self.0.wake.notify_one();
        rooms
    }

    fn compare_later(&self, room: &RoomName) {
        self.0.state().want(room, Importance::Listed, Instant::now());
    }
}
