//! The last hour, one step after the other.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Serialize, Serializer};

use crate::presence::HostTime;

use super::{
    quantile::quantile,
    reading::Reading,
    series::{Beside, COLUMNS, DERIVED, Kind, SERIES},
};

/// The time between two readings.
pub const STEP: Duration = Duration::from_secs(5);
/// An hour of steps.
const MAX_STEPS: usize = 720;

/// The ring of the last hour's steps: some 110 KB.
#[derive(Debug, Default)]
pub struct Figures {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    steps: VecDeque<Step>,
    before: Option<(Instant, Reading)>,
    /// Whether the last call to the store worked: where none was made, it is still so.
    store_up: Option<bool>,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    at: u64,
    /// Those of `SERIES`, then those of `DERIVED`. Not a number where there is none.
    values: [f32; COLUMNS],
}

/// Steps as clients get them: a column for each number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    step_seconds: u64,
    /// The ends of the steps, in milliseconds since 1970.
    times: Vec<u64>,
    #[serde(serialize_with = "as_object")]
    series: Vec<(&'static str, Vec<Option<f32>>)>,
}

impl Figures {
    /// Takes a reading of the metrics. The first one only says from where the next step counts.
    pub fn take(&self, text: &str, beside: Beside, taken_at: Instant, now: HostTime) {
        let reading = Reading::parse(text);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before_at, before)) = inner.before.take() {
            let secs = taken_at.duration_since(before_at).as_secs_f64().max(0.001);
            let values = inner.values_of(&before, &reading, beside, secs);
            if inner.steps.len() == MAX_STEPS {
                inner.steps.pop_front();
            }
            inner.steps.push_back(Step { at: now.as_millis(), values });
        }
        inner.before = Some((taken_at, reading));
    }

    /// The steps that ended after `since`, in milliseconds since 1970.
    pub fn since(&self, since: u64) -> Shown {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let steps: Vec<_> = inner.steps.iter().filter(|step| step.at > since).collect();
        let names = SERIES.iter().map(|series| series.name).chain(DERIVED);
        let column = |index: usize| steps.iter().map(|step| number(step.values[index])).collect();
        let series = names.enumerate().map(|(index, name)| (name, column(index))).collect();
        let times = steps.iter().map(|step| step.at).collect();
        Shown { step_seconds: STEP.as_secs(), times, series }
    }
}

impl Inner {
    #[expect(clippy::cast_possible_truncation, reason = "charts need no more digits")]
    fn values_of(
        &mut self,
        before: &Reading,
        after: &Reading,
        beside: Beside,
        secs: f64,
    ) -> [f32; COLUMNS] {
        let mut values = [f32::NAN; COLUMNS];
        for (index, series) in SERIES.iter().enumerate() {
            values[index] = match series.kind {
                Kind::Now => after.values[index] as f32,
                Kind::PerSecond => (risen(before.values[index], after.values[index]) / secs) as f32,
            };
        }
        let of = |name: &str| {
            let index = SERIES.iter().position(|series| series.name == name);
            index.map_or(0.0, |index| risen(before.values[index], after.values[index]))
        };
        let (calls, failed) = (of("storeCalls"), of("storeCalls.failed"));
        if calls > 0.0 {
            self.store_up = Some(failed < calls);
        }
        let took = risen(before.store_seconds, after.store_seconds);
        let buckets = counted_between(&before.latency, &after.latency);
        let millis = |q| quantile(q, &buckets).map(|secs| secs * 1_000.0);
        let derived: [Option<f64>; DERIVED.len()] = [
            millis(0.5),
            millis(0.95),
            millis(0.99),
            (calls > 0.0).then(|| took / calls * 1_000.0),
            self.store_up.map(f64::from),
            beside.memory_bytes.map(|bytes| bytes as f64),
            beside.calls_left.map(f64::from),
        ];
        for (value, derived) in values[SERIES.len()..].iter_mut().zip(derived) {
            *value = derived.map_or(f32::NAN, |derived| derived as f32);
        }
        values
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

fn number(value: f32) -> Option<f32> {
    value.is_finite().then_some(value)
}

fn as_object<S: Serializer>(
    series: &[(&'static str, Vec<Option<f32>>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(series.iter().map(|(name, values)| (name, values)))
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
        let times = |since| figures.since(since).times;
        assert_eq!(times(0).len(), 720);
        assert_eq!(times(0)[0], 10 * 5_000, "the oldest steps are gone");
        assert_eq!(times(727 * 5_000), [728 * 5_000, 729 * 5_000]);
        assert_eq!(times(729 * 5_000), [0; 0]);
        assert!(size_of::<Step>() * MAX_STEPS < 128 * 1024);
    }
}
