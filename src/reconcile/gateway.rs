//! What the rest of the service calls: to have a room confirmed or watched, and to tell that something was missed.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use crate::{
    coordination::Peers,
    livekit::{Api, redis::LiveKitRedis},
    presence::{Completeness, Counts, Event, EventKind, Room, RoomName, Rules, StoreTime},
    store::{RoomSummary, Store},
};

use super::{
    banned::RemoveBanned,
    context::Context,
    crashes,
    metrics::ReconcileMetrics,
    refresh::{Refresher, RoomsRefresher},
    scheduler::Scheduler,
    settings::{CALLING_EVERY, LOOK_UP_TIMEOUT, ReconcileSettings, jittered},
    state::{outcome::ComparisonOutcome, queue::Importance},
    watched::Watched,
};

/// How long a client that asks for an unknown room waits for LiveKit's list of rooms.
const ROOMS_TIMEOUT: Duration = Duration::from_millis(500);

/// Compares rooms with LiveKit's lists. Cheap to clone.
#[derive(Clone)]
pub struct Reconciler(pub(super) Arc<Context>);

/// What comparisons work with.
pub struct ReconcilerParts {
    pub api: Arc<Api>,
    pub store: Arc<dyn Store>,
    pub peers: Arc<dyn Peers>,
    /// Is told of people who are banned and inside.
    pub banned: Arc<dyn RemoveBanned>,
    /// LiveKit's own Redis, where it is configured.
    pub livekit_redis: Option<Arc<LiveKitRedis>>,
}

/// Whether a room was brought into line with LiveKit's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    Confirmed,
    /// LiveKit did not answer in time, its answer left somebody undecided, or it cannot be asked now.
    Unknown,
}

impl Reconciler {
    /// Starts to compare. Begins with all rooms that the store knows, because nobody knows what was missed until now.
    pub fn start(
        parts: ReconcilerParts,
        rules: Rules,
        settings: ReconcileSettings,
        metrics: ReconcileMetrics,
    ) -> Self {
        let context = Arc::new(Context::new(parts, rules, settings, metrics));
        Scheduler::start(&context);
        Refresher::start(&context);
        RoomsRefresher::start(&context);
        crashes::start(&context);
        Self(context)
    }

    /// Has a room compared, and waits for the outcome. All clients that wait for a room share one comparison. A comparison under
    /// way will do, and so will one that another instance has made since `asked_at`, the moment before the caller read the store.
    pub async fn confirm(&self, room: &RoomName, asked_at: Instant) -> Confirmation {
        let is_free = self.0.lists_are_free();
        let mut answer = {
            let mut schedule = self.0.schedule();
            let now = Instant::now();
            let is_in_trouble = schedule.troubles.until(room, now).is_some();
            let is_paused = schedule.budget.paused_until() > now + LOOK_UP_TIMEOUT;
            if !is_free && (is_in_trouble || is_paused) {
                return Confirmation::Unknown;
            }
            schedule.wait_for(room, asked_at)
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
        self.0.schedule().suspect(room, Instant::now());
        self.0.wake.notify_one();
    }

    /// A webhook could not be stored, and LiveKit may stop repeating it before it can be. Has its room compared. If webhooks are
    /// refused for longer than LiveKit repeats them, all rooms are compared.
    pub fn webhook_refused(&self, room: Option<&RoomName>) {
        let mut schedule = self.0.schedule();
        let now = Instant::now();
        if schedule.refusals.refused(now) {
            schedule.sweep.want(now);
        }
        if let Some(room) = room {
            schedule.suspect(room, now);
        }
        drop(schedule);
        self.0.wake.notify_one();
    }

    /// A webhook was stored. Others may have been refused before it.
    pub fn webhook_taken(&self) {
        let mut schedule = self.0.schedule();
        if schedule.refusals.taken() {
            schedule.sweep.want(Instant::now());
            drop(schedule);
            self.0.wake.notify_one();
        }
    }

    /// Notes the key that a webhook was signed with. If LiveKit does not list the people of such webhooks, another LiveKit sends
    /// them.
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
        self.0.note_calling(room, true);
    }

    /// Whether it is worth a call to ask about a room that no store holds: LiveKit's list of rooms has it, or LiveKit is being
    /// asked about it already.
    pub async fn is_real(&self, room: &RoomName) -> bool {
        let is_asking = || self.0.schedule().is_awaited(room);
        if is_asking() {
            return true;
        }
        if let Ok(Some(is_kept)) = timeout(ROOMS_TIMEOUT, self.0.has_kept(room)).await {
            return is_kept || is_asking();
        }
        // A task of its own, so that a caller who stops waiting does not end the call for the others.
        let context = Arc::clone(&self.0);
        let asking = tokio::spawn(async move { context.listed_rooms().await });
        let listed = timeout(ROOMS_TIMEOUT, asking).await.ok().and_then(Result::ok).flatten();
        listed.is_some_and(|listed| listed.names.contains(room)) || is_asking()
    }

    /// Compares a room regularly from now on.
    pub fn watch(&self, room: &RoomName) -> Watched {
        let due = Instant::now() + jittered(self.0.settings.every);
        let confirmed = {
            let mut schedule = self.0.schedule();
            self.0.readings.watch(room);
            schedule.watch(room, due)
        };
        self.0.wake.notify_one();
        Watched::new(Arc::clone(&self.0), room.clone(), confirmed)
    }

    /// How much longer than the rules say rooms are trusted now, because they have to wait for their comparison. A room's own
    /// `until` does not include it.
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
            rooms.push(RoomSummary {
                name: name.clone(),
                counts: Counts::default(),
                started_at: None,
                recording: None,
                is_complete,
            });
        }
        self.0.wake.notify_one();
        rooms
    }

    /// LiveKit's rooms as the list of rooms has them where the store does not: with nobody inside. None if LiveKit cannot be asked
    /// now. Has no room compared.
    pub async fn rooms_of_livekit(&self) -> Option<Vec<RoomSummary>> {
        let listed = self.0.listed_rooms().await?;
        let now = self.0.store.now().await.ok()?;
        let rooms = listed.names.iter().map(|name| RoomSummary {
            name: name.clone(),
            counts: Counts::default(),
            started_at: None,
            recording: None,
            is_complete: self.completeness_of_empty(name).is_complete_at(now),
        });
        Some(rooms.collect())
    }

    fn compare_later(&self, room: &RoomName) {
        self.0.schedule().want(room, Importance::Listed, Instant::now());
    }
}
