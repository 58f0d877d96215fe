//! What comparing with LiveKit's lists costs, and what it mends.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::{
    metrics::{Buckets, Histograms, RegistryExt, label},
    presence::RepairCounts,
};

use super::state::queue::Importance;

/// Comparisons, repairs and the budget.
#[derive(Clone, Debug)]
pub struct ReconcileMetrics {
    comparisons: Family<(ReasonLabel, OutcomeLabel), Counter>,
    repairs: Family<RepairKind, Counter>,
    ages: Histograms<RepairKind>,
    waits: Histogram,
    refreshes: Family<RefreshOutcome, Counter>,
    refreshed: Counter,
    refresh_delays: Histogram,
    pub(super) api_up: Gauge,
}

label! {
    enum ReasonLabel as "reason" {
        ClientWaits = "client_waits",
        Suspicious = "suspicious",
        Calling = "calling",
        Watched = "watched",
        Known = "known",
        Listed = "listed",
    }
}

label! {
    enum OutcomeLabel as "outcome" {
        Confirmed = "confirmed",
        /// LiveKit, or the store, did not say.
        Unknown = "unknown",
    }
}

label! {
    /// What was wrong.
    pub(super) enum RepairKind as "kind" {
        MissedJoin = "missed_join",
        /// The ghost of a missed leave.
        MissedLeave = "missed_leave",
        /// The ghost of a crashed LiveKit, which goes on listing it.
        CrashGhost = "crash_ghost",
        /// Listed, doubted, and hidden until it answers a probe.
        Suspect = "suspect",
        /// A suspect or a ghost that turned out to be alive.
        Reinstated = "reinstated",
        /// The right person with the wrong session.
        WrongSession = "wrong_session",
        /// A name, metadata, a track's mute: what no webhook tells.
        Attribute = "attribute",
    }
}

label! {
    /// What a reading of LiveKit's Redis came to.
    pub(super) enum RefreshOutcome as "outcome" {
        /// People are described otherwise now.
        Updated = "updated",
        Same = "same",
        /// LiveKit's Redis, or the store, did not say.
        Failed = "failed",
    }
}

impl ReconcileMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            comparisons: registry.register_new("comparisons", "Rooms compared with LiveKit's own list"),
            repairs: registry.register_new("repairs", "What was wrong in a room and was put right"),
            ages: registry.register_seconds(
                "repair_age",
                "How long something had been wrong before it was repaired",
                Buckets { first: 0.1, factor: 2.0, count: 14 },
            ),
            waits: registry.register_seconds(
                "comparison_wait",
                "How long a room that was due waited until the budget allowed its comparison",
                Buckets { first: 0.001, factor: 4.0, count: 10 },
            ),
            refreshes: registry
                .register_new("refreshes", "Readings of a watched room in LiveKit's own Redis"),
            refreshed: registry.register_new(
                "refreshed_participants",
                "Participants whom a reading of LiveKit's own Redis described anew: what no webhook tells",
            ),
            refresh_delays: registry.register_seconds(
                "refresh_delay",
                "Time from the moment at which LiveKit's own Redis told of a change until it was stored",
                Buckets { first: 0.001, factor: 2.0, count: 12 },
            ),
            api_up: registry.register_new(
                "livekit_api_up",
                "0 while LiveKit's API cannot be reached, refuses our key, or fails again and again",
            ),
        }
    }

    pub(super) fn compared(&self, importance: Importance, is_confirmed: bool) {
        let reason = match importance {
            Importance::Waiting => ReasonLabel::ClientWaits,
            Importance::Suspicious => ReasonLabel::Suspicious,
            Importance::Calling => ReasonLabel::Calling,
            Importance::Watched => ReasonLabel::Watched,
            Importance::Known => ReasonLabel::Known,
            Importance::Listed => ReasonLabel::Listed,
        };
        let outcome = if is_confirmed { OutcomeLabel::Confirmed } else { OutcomeLabel::Unknown };
        self.comparisons.get_or_create(&(reason, outcome)).inc();
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    pub(super) fn repaired(&self, counts: RepairCounts) {
        let kinds = [
            (RepairKind::MissedJoin, counts.added),
            (RepairKind::MissedLeave, counts.removed),
            (RepairKind::CrashGhost, counts.evicted),
            (RepairKind::Suspect, counts.suspected),
            (RepairKind::Reinstated, counts.reinstated),
            (RepairKind::WrongSession, counts.replaced),
            (RepairKind::Attribute, counts.updated),
        ];
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            self.repairs.get_or_create(&kind).inc_by(count as u64);
        }
    }

    pub(super) fn refreshed(&self, outcome: RefreshOutcome) {
        self.refreshes.get_or_create(&outcome).inc();
    }

    /// So many participants were described anew. `delay`: since a change was told, if one was.
    pub(super) fn described(&self, participants: usize, delay: Option<Duration>) {
        self.refreshed.inc_by(participants as u64);
        if let Some(delay) = delay {
            self.refresh_delays.observe(delay.as_secs_f64());
        }
    }

    pub(super) fn aged(&self, kind: RepairKind, age: Duration) {
        self.ages.get_or_create(&kind).observe(age.as_secs_f64());
    }
}
