//! Steps as clients get them.

use serde::{Serialize, Serializer};

use super::{
    ring::STEP,
    step::{Values, names},
};

/// A column for each number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    step_seconds: u64,
    /// The ends of the steps, in milliseconds since 1970.
    times: Vec<u64>,
    #[serde(serialize_with = "as_object")]
    series: Vec<(&'static str, Vec<Option<f32>>)>,
    /// Whose numbers these are the sum of; left out where they are those of the instance that answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) instances: Option<Vec<Instance>>,
}

/// An instance that told what happened on it within the last hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    pub id: String,
    /// When it told this, in milliseconds since 1970.
    pub told_at_ms: u64,
    /// Why the newest numbers are without it; none if they are not.
    pub missing: Option<&'static str>,
}

impl Shown {
    pub(super) fn new(steps: &[(u64, Values)]) -> Self {
        let column = |index: usize| steps.iter().map(|(_, values)| number(values[index])).collect();
        let series = names().enumerate().map(|(index, name)| (name, column(index))).collect();
        let times = steps.iter().map(|(at, _)| *at).collect();
        Self { step_seconds: STEP.as_secs(), times, series, instances: None }
    }

    #[cfg(test)]
    pub(super) fn times(&self) -> &[u64] {
        &self.times
    }
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
