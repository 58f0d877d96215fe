//! The last hour, one step after the other.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::presence::HostTime;

use super::{
    reading::Reading,
    series::{Beside, COLUMNS, DERIVED, Kind, SERIES},
    shown::Shown,
    step::{Step, Values, percentiles},
};

/// The time between two readings.
pub const STEP: Duration = Duration::from_secs(5);
/// The same in milliseconds.
pub(super) const STEP_MILLIS: u64 = 5_000;
/// An hour of steps.
pub(super) const MAX_STEPS: usize = 720;

/// The ring of the last hour's steps: some 110 KB.
#[derive(Debug, Default)]
pub struct Figures {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    steps: Steps,
    before: Option<(Instant, Reading)>,
    /// Whether the last call to the store worked: where none was made, it is still so.
    store_up: Option<bool>,
}

/// At most an hour of steps, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Steps(VecDeque<(u64, Values)>);

impl Steps {
    pub fn add(&mut self, step: &Step) {
        if self.0.len() == MAX_STEPS {
            self.0.pop_front();
        }
        self.0.push_back((step.at, step.values));
    }

    /// Forgets those that ended after a time.
    pub fn forget_after(&mut self, time: u64) {
        self.0.truncate(self.0.partition_point(|(at, _)| *at <= time));
    }

    /// Those that ended after `since`, in milliseconds since 1970.
    pub fn since(&self, since: u64) -> Vec<(u64, Values)> {
        self.0.iter().filter(|(at, _)| *at > since).copied().collect()
    }
}

impl Figures {
    /// How long to wait for the end of the next step. All instances end theirs at the same times.
    pub fn next_step_in(now: HostTime) -> Duration {
        let over = Duration::from_micros(now.as_micros() % 5_000_000);
        // The first step of a process is not much shorter than the others.
        if over > STEP / 2 { STEP * 2 - over } else { STEP - over }
    }

    /// Takes a reading of the metrics. The first one only says from where the next step counts.
    pub fn take(
        &self,
        text: &str,
        beside: Beside,
        taken_at: Instant,
        now: HostTime,
    ) -> Option<Step> {
        let reading = Reading::parse(text);
        let mut inner = self.lock();
        let step = inner.before.take().map(|(before_at, before)| {
            let secs = taken_at.duration_since(before_at).as_secs_f64().max(0.001);
            let step = inner.step(&before, &reading, beside, secs, now);
            inner.steps.add(&step);
            step
        });
        inner.before = Some((taken_at, reading));
        step
    }

    /// The steps that ended after `since`, in milliseconds since 1970.
    pub fn since(&self, since: u64) -> Shown {
        let steps = self.lock().steps.since(since);
        Shown::new(&steps)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    #[expect(clippy::cast_possible_truncation, reason = "charts need no more digits")]
    fn step(
        &mut self,
        before: &Reading,
        after: &Reading,
        beside: Beside,
        secs: f64,
        now: HostTime,
    ) -> Step {
        let mut values = [f32::NAN; COLUMNS];
        for (index, series) in SERIES.iter().enumerate() {
            values[index] = match series.kind {
                Kind::Now => after.values[index] as f32,
                Kind::PerSecond => (risen(before.values[index], after.values[index]) / secs) as f32,
            };
        }
        let latency = counted_between(&before.latency, &after.latency);
        let derived = self.derived(before, after, beside, &latency);
        values[SERIES.len()..].copy_from_slice(&derived);
        let at = (now.as_millis() + STEP_MILLIS / 2) / STEP_MILLIS * STEP_MILLIS;
        Step { at, values, latency }
    }

    #[expect(clippy::cast_possible_truncation, reason = "charts need no more digits")]
    fn derived(
        &mut self,
        before: &Reading,
        after: &Reading,
        beside: Beside,
        latency: &[(f64, f64)],
    ) -> [f32; DERIVED.len()] {
        let of = |name: &str| {
            let index = SERIES.iter().position(|series| series.name == name);
            index.map_or(0.0, |index| risen(before.values[index], after.values[index]))
        };
        let (calls, failed) = (of("storeCalls"), of("storeCalls.failed"));
        if calls > 0.0 {
            self.store_up = Some(failed < calls);
        }
        let took = risen(before.store_seconds, after.store_seconds);
        let [p50, p95, p99] = percentiles(latency);
        let or_none = |value: Option<f32>| value.unwrap_or(f32::NAN);
        [
            p50,
            p95,
            p99,
            or_none((calls > 0.0).then(|| (took / calls * 1_000.0) as f32)),
            or_none(self.store_up.map(|is_up| if is_up { 1.0 } else { 0.0 })),
            or_none(beside.memory_bytes.map(|bytes| bytes as f32)),
            or_none(beside.calls_left.map(|left| left as f32)),
        ]
    }
}

/// How much a counter rose. One that was not there before counts from zero, and one that is not there has not risen.
fn risen(before: f64, after: f64) -> f64 {
    let or_zero = |value: f64| if value.is_nan() { 0.0 } else { value };
    (or_zero(after) - or_zero(before)).max(0.0)
}

/// What the buckets counted between two readings.
fn counted_between(before: &[(f64, f64)], after: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let earlier = |index: usize| before.get(index).map_or(0.0, |(_, count)| *count);
    let buckets = after.iter().enumerate();
    buckets.map(|(index, (bound, count))| (*bound, risen(earlier(index), *count))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const BESIDE: Beside = Beside { memory_bytes: Some(1_000), calls_left: None };

    /// A ring that got these readings, five seconds apart.
    fn ring(readings: &[&str]) -> Figures {
        let figures = Figures::default();
        let start = Instant::now();
        for (number, text) in (0..).zip(readings) {
            let now = HostTime::from_micros(u64::from(number) * 5_000_000);
            figures.take(text, BESIDE, start + STEP * number, now);
        }
        figures
    }

    fn shown(figures: &Figures, since: u64) -> Value {
        serde_json::to_value(figures.since(since)).unwrap()
    }

    fn counted(joined: u32) -> String {
        format!(
            "livekit_presence_webhooks_total{{event=\"participant_joined\",outcome=\"changed\"}} {joined}\n"
        )
    }

    #[test]
    fn a_step_is_what_rose_for_each_second_and_what_is() {
        let streams = "livekit_presence_streams_open 7\n";
        let figures = ring(&["", &format!("{}{streams}", counted(10)), &counted(15)]);
        let shown = shown(&figures, 0);
        assert_eq!(shown["times"], json!([5_000, 10_000]));
        assert_eq!(shown["stepSeconds"], 5);
        assert_eq!(shown["series"]["webhooks"], json!([2.0, 1.0]));
        assert_eq!(shown["series"]["webhooks.outcome.duplicate"], json!([0.0, 0.0]));
        assert_eq!(shown["series"]["streams"], json!([7.0, null]));
        assert_eq!(shown["series"]["memoryBytes"], json!([1_000.0, 1_000.0]));
        assert_eq!(shown["series"]["livekitCallsLeft"], json!([null, null]));
    }

    #[test]
    fn percentiles_are_those_of_the_step_and_there_are_none_where_nothing_was_sent() {
        let buckets = |fast: u32, all: u32| {
            let name = "livekit_presence_webhook_to_subscriber_seconds_bucket";
            format!(
                "{name}{{le=\"0.001\"}} {fast}\n{name}{{le=\"0.003\"}} {all}\n{name}{{le=\"+Inf\"}} {all}\n"
            )
        };
        let figures = ring(&[&buckets(100, 100), &buckets(100, 110), &buckets(100, 110)]);
        let shown = shown(&figures, 0);
        assert_eq!(shown["series"]["subscriberMs.p50"], json!([2.0, null]));
    }

    #[test]
    fn the_store_is_up_until_all_of_its_calls_fail() {
        let calls = |ok: u32, failed: u32| {
            let name = "livekit_presence_store_calls_total{kind=\"apply\",outcome";
            let seconds = f64::from(ok + failed) / 100.0;
            format!(
                "{name}=\"ok\"}} {ok}\n{name}=\"failed\"}} {failed}\nlivekit_presence_store_call_seconds_sum{{kind=\"apply\"}} {seconds}\n"
            )
        };
        let readings = [calls(0, 0), calls(0, 0), calls(5, 1), calls(5, 3), calls(5, 3)];
        let shown = shown(&ring(&readings.each_ref().map(String::as_str)), 0);
        assert_eq!(shown["series"]["storeUp"], json!([null, 1.0, 0.0, 0.0]));
        assert_eq!(shown["series"]["storeMs"], json!([null, 10.0, 10.0, null]));
    }

    #[test]
    fn an_hour_is_kept_and_a_client_gets_what_is_new_to_it() {
        let figures = ring(&[""; 730]);
        let times = |since| figures.since(since).times().to_vec();
        assert_eq!(times(0).len(), 720);
        assert_eq!(times(0)[0], 10 * 5_000, "the oldest steps are gone");
        assert_eq!(times(727 * 5_000), [728 * 5_000, 729 * 5_000]);
        assert_eq!(times(729 * 5_000), [0; 0]);
        assert!(size_of::<(u64, Values)>() * MAX_STEPS < 128 * 1024);
    }
}
