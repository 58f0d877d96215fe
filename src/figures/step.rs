//! What happened in five seconds, on one instance or on several.

use super::{
    quantile::quantile,
    series::{COLUMNS, DERIVED, LATENCY, Merge, SERIES, STORE_CALLS, STORE_MILLIS, merge_of},
};

/// A number for each column; not a number where there is none.
pub(super) type Values = [f32; COLUMNS];

/// A step, with what is needed to merge it with those of other instances.
#[derive(Clone, Debug)]
pub struct Step {
    /// When it ended, in milliseconds since 1970: a multiple of five seconds, so that instances have the same steps.
    pub(super) at: u64,
    /// Those of [`SERIES`], then those of [`DERIVED`].
    pub(super) values: Values,
    /// The buckets of the time from a webhook to its subscribers: upper bound in seconds, and how often it took at most that.
    pub(super) latency: Vec<(f64, f64)>,
}

impl Step {
    /// What happened on all of these instances in the same five seconds.
    pub(super) fn merged(at: u64, steps: &[Self]) -> Self {
        let mut values = [f32::NAN; COLUMNS];
        for (column, value) in values.iter_mut().enumerate() {
            let each = steps.iter().map(|step| step.values[column]).filter(|value| !value.is_nan());
            *value = match merge_of(column) {
                Merge::Sum => each.reduce(|all, one| all + one).unwrap_or(f32::NAN),
                Merge::Least => each.reduce(f32::min).unwrap_or(f32::NAN),
                Merge::Apart => f32::NAN,
            };
        }
        let latency = summed(steps);
        for (value, millis) in values[LATENCY..].iter_mut().zip(percentiles(&latency)) {
            *value = millis;
        }
        values[STORE_MILLIS] = mean_store_millis(steps);
        Self { at, values, latency }
    }
}

/// The median, and the 95th and the 99th percentile, in milliseconds.
#[expect(clippy::cast_possible_truncation, reason = "charts need no more digits")]
pub(super) fn percentiles(buckets: &[(f64, f64)]) -> [f32; 3] {
    [0.5, 0.95, 0.99].map(|q| quantile(q, buckets).map_or(f32::NAN, |secs| (secs * 1_000.0) as f32))
}

fn summed(steps: &[Step]) -> Vec<(f64, f64)> {
    let mut all: Vec<(f64, f64)> = Vec::new();
    for step in steps {
        if all.is_empty() {
            all.clone_from(&step.latency);
            continue;
        }
        for ((_, count), (_, more)) in all.iter_mut().zip(&step.latency) {
            *count += more;
        }
    }
    all
}

/// Each instance counts as often as it called.
fn mean_store_millis(steps: &[Step]) -> f32 {
    let of_calls = steps.iter().map(|step| (step.values[STORE_CALLS], step.values[STORE_MILLIS]));
    let (calls, millis) = of_calls
        .filter(|(_, millis)| !millis.is_nan())
        .fold((0.0, 0.0), |(calls, all), (more, millis)| (calls + more, all + more * millis));
    if calls > 0.0 { millis / calls } else { f32::NAN }
}

/// The names of the columns.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SERIES.iter().map(|series| series.name).chain(DERIVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str) -> usize {
        names().position(|one| one == name).unwrap()
    }

    fn step(values: &[(&str, f32)], latency: &[(f64, f64)]) -> Step {
        let mut all = [f32::NAN; COLUMNS];
        for (name, value) in values {
            all[column(name)] = *value;
        }
        Step { at: 5_000, values: all, latency: latency.to_vec() }
    }

    #[test]
    fn what_counts_is_summed_what_is_up_is_up_everywhere_and_means_are_weighed() {
        let busy = [
            ("webhooks", 2.0),
            ("streams", 10.0),
            ("memoryBytes", 100.0),
            ("storeUp", 1.0),
            ("livekitCallsLeft", 30.0),
            ("storeCalls", 30.0),
            ("storeMs", 1.0),
        ];
        let idle = [
            ("webhooks", 0.5),
            ("streams", 1.0),
            ("memoryBytes", 50.0),
            ("storeUp", 0.0),
            ("livekitCallsLeft", 20.0),
            ("storeCalls", 10.0),
            ("storeMs", 5.0),
        ];
        let merged = Step::merged(5_000, &[step(&busy, &[]), step(&idle, &[]), step(&[], &[])]);
        let value = |name| merged.values[column(name)];
        assert_eq!((value("webhooks"), value("streams"), value("memoryBytes")), (2.5, 11.0, 150.0));
        assert_eq!((value("storeUp"), value("livekitCallsLeft")), (0.0, 20.0));
        assert_eq!((value("storeMs"), value("storeCalls")), (2.0, 40.0));
        assert!(value("livekitUp").is_nan() && value("subscriberMs.p50").is_nan());
    }

    #[test]
    fn percentiles_are_those_of_all_instances_together() {
        let bounds = |fast: f64, all: f64| [(0.001, fast), (0.003, all), (f64::INFINITY, all)];
        let instances =
            [step(&[], &bounds(0.0, 10.0)), step(&[], &bounds(20.0, 30.0)), step(&[], &[])];
        let merged = Step::merged(5_000, &instances);
        assert_eq!(merged.values[column("subscriberMs.p50")], 1.0);
        assert_eq!(merged.latency, bounds(20.0, 40.0));
    }
}
