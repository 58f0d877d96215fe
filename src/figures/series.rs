//! Which numbers a step has, and how each follows from the metrics.

/// A number that follows from one metric.
#[derive(Debug)]
pub(super) struct Series {
    /// As clients know it.
    pub name: &'static str,
    /// Without the prefix that all metrics have.
    pub metric: &'static str,
    /// Only of this label's value; the sum of all where there is none.
    pub label: Option<(&'static str, &'static str)>,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// How much it rose, for each second.
    PerSecond,
    /// What it is at the end of the step.
    Now,
}

const fn rate(name: &'static str, metric: &'static str) -> Series {
    Series { name, metric, label: None, kind: Kind::PerSecond }
}

const fn part(
    name: &'static str,
    metric: &'static str,
    label: &'static str,
    value: &'static str,
) -> Series {
    Series { name, metric, label: Some((label, value)), kind: Kind::PerSecond }
}

const fn now(name: &'static str, metric: &'static str) -> Series {
    Series { name, metric, label: None, kind: Kind::Now }
}

const fn event(name: &'static str, value: &'static str) -> Series {
    part(name, "webhooks_total", "event", value)
}

const fn outcome(name: &'static str, value: &'static str) -> Series {
    part(name, "webhooks_total", "outcome", value)
}

/// The numbers that follow from one metric each.
pub(super) const SERIES: [Series; 31] = [
    rate("webhooks", "webhooks_total"),
    event("webhooks.event.participant_joined", "participant_joined"),
    event("webhooks.event.participant_left", "participant_left"),
    event("webhooks.event.participant_connection_aborted", "participant_connection_aborted"),
    event("webhooks.event.track_published", "track_published"),
    event("webhooks.event.track_unpublished", "track_unpublished"),
    event("webhooks.event.room_started", "room_started"),
    event("webhooks.event.room_finished", "room_finished"),
    outcome("webhooks.outcome.changed", "changed"),
    outcome("webhooks.outcome.unchanged", "unchanged"),
    outcome("webhooks.outcome.duplicate", "duplicate"),
    outcome("webhooks.outcome.ignored", "ignored"),
    outcome("webhooks.outcome.unauthorized", "unauthorized"),
    outcome("webhooks.outcome.malformed", "malformed"),
    outcome("webhooks.outcome.too_large", "too_large"),
    outcome("webhooks.outcome.limited", "limited"),
    outcome("webhooks.outcome.misdirected", "misdirected"),
    outcome("webhooks.outcome.unavailable", "unavailable"),
    now("streams", "streams_open"),
    now("webSockets", "web_sockets_open"),
    rate("frames", "frames_written_total"),
    rate("frameBytes", "frames_written_bytes_total"),
    rate("reads", "reads_total"),
    part("reads.hot", "reads_total", "result", "hot"),
    rate("storeCalls", "store_calls_total"),
    part("storeCalls.failed", "store_calls_total", "outcome", "failed"),
    rate("livekitCalls", "livekit_calls_total"),
    part("livekitCalls.ok", "livekit_calls_total", "outcome", "ok"),
    now("livekitUp", "livekit_api_up"),
    rate("comparisons", "comparisons_total"),
    rate("repairs", "repairs_total"),
];

/// The numbers that follow from more than that, after those of [`SERIES`].
pub(super) const DERIVED: [&str; 7] = [
    "subscriberMs.p50",
    "subscriberMs.p95",
    "subscriberMs.p99",
    "storeMs",
    "storeUp",
    "memoryBytes",
    "livekitCallsLeft",
];

/// The numbers of a step.
pub(super) const COLUMNS: usize = SERIES.len() + DERIVED.len();

/// The column of the first percentile; the others follow.
pub(super) const LATENCY: usize = SERIES.len();
/// The column of the mean time of a call to the store.
pub(super) const STORE_MILLIS: usize = SERIES.len() + 3;
/// The column of the calls to the store.
pub(super) const STORE_CALLS: usize = 24;

/// How a number of several instances follows from that of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    Sum,
    /// Of what is up or not, and of what is left of something that all share.
    Least,
    /// From more than these numbers.
    Apart,
}

pub(super) fn merge_of(column: usize) -> Merge {
    let name = SERIES.get(column).map(|series| series.name);
    match name.unwrap_or_else(|| DERIVED[column - SERIES.len()]) {
        "livekitUp" | "storeUp" | "livekitCallsLeft" => Merge::Least,
        "subscriberMs.p50" | "subscriberMs.p95" | "subscriberMs.p99" | "storeMs" => Merge::Apart,
        _ => Merge::Sum,
    }
}

/// What no metric says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside {
    /// The memory of the process that is in RAM.
    pub memory_bytes: Option<u64>,
    /// Calls to LiveKit's API that this instance may make at once; none where the API is not configured.
    pub calls_left: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_where_they_are_said_to_be() {
        assert_eq!(SERIES[STORE_CALLS].name, "storeCalls");
        assert_eq!(DERIVED[STORE_MILLIS - SERIES.len()], "storeMs");
        assert_eq!(DERIVED[LATENCY - SERIES.len()], "subscriberMs.p50");
    }
}
