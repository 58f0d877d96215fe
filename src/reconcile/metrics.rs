//! What comparing with LiveKit's lists costs, and what it mends.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::presence::RepairCounts;

use super::state::queue::Importance;

/// Comparisons, repairs and the budget.
#[derive(Clone, Debug)]
pub struct ReconcileMetrics {
    comparisons: Family<ComparisonLabels, Counter>,
    repairs: Family<KindLabel, Counter>,
    ages: Family<KindLabel, Histogram, fn() -> Histogram>,
    waits: Histogram,
    pub(super) api_up: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ComparisonLabels {
    reason: ReasonLabel,
    outcome: OutcomeLabel,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: RepairKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
enum ReasonLabel {
    client_waits,
    suspicious,
    calling,
    watched,
    known,
    listed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
enum OutcomeLabel {
    confirmed,
    /// LiveKit, or the store, did not say.
    unknown,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub(super) enum RepairKind {
    missed_join,
    /// The ghost of a missed leave.
    missed_leave,
    /// The ghost of a crashed LiveKit, which goes on listing it.
    crash_ghost,
    /// Listed, doubted, and hidden until it answers a probe.
    suspect,
    /// A suspect or a ghost that turned out to be alive.
    reinstated,
    /// The right person with the wrong session.
    wrong_session,
    /// A name, metadata, a track's mute: whatever no webhook tells.
    attribute,
}

impl ReconcileMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            comparisons: Family::default(),
            repairs: Family::default(),
            ages: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.1, 2.0, 14))
            }),
            waits: Histogram::new(exponential_buckets(0.001, 4.0, 10)),
            api_up: Gauge::default(),
        };
        registry.register(
            "comparisons",
            "Rooms compared with LiveKit's own list",
            metrics.comparisons.clone(),
        );
        registry.register(
            "repairs",
            "What was wrong in a room and was put right",
            metrics.repairs.clone(),
        );
        registry.register_with_unit(
            "repair_age",
            "For how long it had been wrong",
            Unit::Seconds,
            metrics.ages.clone(),
        );
        registry.register_with_unit(
            "comparison_wait",
            "From when a room was due to when the budget allowed its comparison",
            Unit::Seconds,
            metrics.waits.clone(),
        );
        registry.register(
            "livekit_api_up",
            "0 while LiveKit's API cannot be reached, refuses our key, or fails again and again",
            metrics.api_up.clone(),
        );
        metrics
    }

    pub(super) fn compared(&self, importance: Importance, is_confirmed: bool) {
        let reason = match importance {
            Importance::Waiting => ReasonLabel::client_waits,
            Importance::Suspicious => ReasonLabel::suspicious,
            Importance::Calling => ReasonLabel::calling,
            Importance::Watched => ReasonLabel::watched,
            Importance::Known => ReasonLabel::known,
            Importance::Listed => ReasonLabel::listed,
        };
        let outcome = if is_confirmed { OutcomeLabel::confirmed } else { OutcomeLabel::unknown };
        self.comparisons.get_or_create(&ComparisonLabels { reason, outcome }).inc();
    }

    pub(super) fn waited(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    pub(super) fn repaired(&self, counts: RepairCounts) {
        let kinds = [
            (RepairKind::missed_join, counts.added),
            (RepairKind::missed_leave, counts.removed),
            (RepairKind::crash_ghost, counts.evicted),
            (RepairKind::suspect, counts.suspected),
            (RepairKind::reinstated, counts.reinstated),
            (RepairKind::wrong_session, counts.replaced),
            (RepairKind::attribute, counts.updated),
        ];
        for (kind, count) in kinds.into_iter().filter(|(_, count)| *count > 0) {
            self.repairs.get_or_create(&KindLabel { kind }).inc_by(count as u64);
        }
    }

    pub(super) fn aged(&self, kind: RepairKind, age: Duration) {
        self.ages.get_or_create(&KindLabel { kind }).observe(age.as_secs_f64());
    }
}
