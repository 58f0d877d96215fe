//! What all parts of `reconcile` share: LiveKit's API, the store, the other instances, and the state behind a lock.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tracing::warn;

use crate::{
    coordination::Peers,
    livekit::{Api, redis::LiveKitRedis},
    presence::{RoomName, Rules, SessionInfo},
    store::Store,
};

use super::{
    ReconcilerParts,
    banned::RemoveBanned,
    kept::KeptRooms,
    metadata::SaidMetadata,
    metrics::ReconcileMetrics,
    refresh::Readings,
    settings::{CALLING_EVERY, ReconcileSettings, jittered},
    state::{
        empty_rooms::EmptyRooms, interval::Intervals, listed_rooms::ListedRooms,
        probe_slots::ProbeSlots, schedule::Schedule, signers::Signers,
    },
};

/// What all parts of `reconcile` work on.
pub(super) struct Context {
    pub api: Arc<Api>,
    pub store: Arc<dyn Store>,
    pub peers: Arc<dyn Peers>,
    pub banned: Arc<dyn RemoveBanned>,
    pub rules: Rules,
    pub settings: ReconcileSettings,
    pub metrics: ReconcileMetrics,
    schedule: Mutex<Schedule>,
    signers: Mutex<Signers>,
    /// In microseconds. Apart from the schedule, because each read of a room needs it.
    extra_trust: AtomicU64,
    /// Wakes the scheduler: there is something to do.
    pub wake: Notify,
    /// Wakes the sweep: a comparison that it waited for has ended.
    pub swept: Notify,
    pub probe_slots: ProbeSlots,
    pub listed_rooms: ListedRooms,
    pub empty_rooms: EmptyRooms,
    pub kept_rooms: Option<KeptRooms>,
    pub readings: Readings,
    pub said_metadata: SaidMetadata,
}

impl Context {
    pub fn new(
        ReconcilerParts { api, store, peers, banned, livekit_redis }: ReconcilerParts,
        rules: Rules,
        settings: ReconcileSettings,
        metrics: ReconcileMetrics,
    ) -> Self {
        metrics.api_up.set(1);
        let intervals = Intervals::new(settings.every, rules.trust);
        let schedule = Schedule::new(settings.calls_per_minute, intervals, Instant::now());
        Self {
            api,
            store,
            peers,
            banned,
            rules,
            schedule: Mutex::new(schedule),
            settings,
            metrics,
            signers: Mutex::default(),
            extra_trust: AtomicU64::default(),
            wake: Notify::new(),
            swept: Notify::new(),
            probe_slots: ProbeSlots::default(),
            listed_rooms: ListedRooms::default(),
            empty_rooms: EmptyRooms::default(),
            readings: Readings::new(livekit_redis.as_deref().map(LiveKitRedis::rate)),
            said_metadata: SaidMetadata::default(),
            kept_rooms: livekit_redis.map(KeptRooms::new),
        }
    }

    pub fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().expect("never held in a panic")
    }

    pub fn signers(&self) -> MutexGuard<'_, Signers> {
        self.signers.lock().expect("never held in a panic")
    }

    /// Checks that LiveKit lists the people whom webhooks named. Warns of a key whose people it never lists.
    pub fn compare_signers(&self, room: &RoomName, listed: &[SessionInfo], asked_at: Instant) {
        if let Some(key_name) = self.signers().listed(room, listed, asked_at) {
            warn!(
                key.name = key_name,
                room.name = %room,
                "webhooks signed with this key are of another LiveKit than `livekit.url`, which does not list the people whom \
                 they name, so those are taken out again; run a service with its own `store.key_prefix` for each LiveKit"
            );
        }
    }

    /// Measures how long rooms have to wait, and trusts them for as long as that takes.
    pub fn measure_pace(&self, schedule: &mut Schedule, now: Instant) {
        let longest = schedule.intervals.longest();
        let extra_trust = schedule.measure_pace(now).extra_trust(longest, self.rules.trust);
        let micros = u64::try_from(extra_trust.as_micros()).unwrap_or(u64::MAX);
        self.extra_trust.store(micros, Ordering::Relaxed);
        self.store.trust_longer(extra_trust);
    }

    /// For how much longer than `Rules::trust` rooms are trusted now.
    pub fn extra_trust(&self) -> Duration {
        Duration::from_micros(self.extra_trust.load(Ordering::Relaxed))
    }

    /// The interval at which a watched room can be compared at the moment.
    pub fn interval(&self, room: &RoomName) -> Duration {
        let schedule = self.schedule();
        schedule.intervals.of(room) + schedule.pace.wait()
    }

    /// Notes whether somebody is called by telephone in a room. If it is watched, it is compared often until they answer.
    pub fn note_calling(&self, room: &RoomName, is_calling: bool) {
        let due = Instant::now() + jittered(CALLING_EVERY);
        if self.schedule().note_calling(room, is_calling, due) {
            self.wake.notify_one();
        }
    }
}
