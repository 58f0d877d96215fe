//! One reading of the metrics, in their text form.

use super::series::{SERIES, Series};

/// All metrics begin with it.
const PREFIX: &str = "livekit_presence_";
const LATENCY_BUCKETS: &str = "webhook_to_subscriber_seconds_bucket";
const STORE_SECONDS: &str = "store_call_seconds_sum";

/// What the metrics said at one moment.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// In the order of [`SERIES`]. Not a number where the metric is not there.
    pub values: [f64; SERIES.len()],
    /// The buckets of the time from a webhook to its subscribers: upper bound in seconds, and how often it took at most that.
    pub latency: Vec<(f64, f64)>,
    /// What all calls to the store took together.
    pub store_seconds: f64,
}

impl Reading {
    /// Reads `OpenMetrics` text. What it does not know is passed over.
    pub fn parse(text: &str) -> Self {
        let mut reading =
            Self { values: [f64::NAN; SERIES.len()], latency: Vec::new(), store_seconds: 0.0 };
        for sample in text.lines().filter_map(Sample::parse) {
            reading.take(&sample);
        }
        reading
    }

    fn take(&mut self, sample: &Sample<'_>) {
        match sample.name {
            LATENCY_BUCKETS => {
                let bound = sample.label("le").unwrap_or_default();
                let bound = if bound == "+Inf" { Some(f64::INFINITY) } else { bound.parse().ok() };
                self.latency.extend(bound.map(|bound| (bound, sample.value)));
            }
            STORE_SECONDS => self.store_seconds += sample.value,
            _ => {
                let of_metric = SERIES.iter().zip(&mut self.values);
                for (_, value) in of_metric.filter(|(series, _)| sample.counts_for(series)) {
                    *value = if value.is_nan() { sample.value } else { *value + sample.value };
                }
            }
        }
    }
}

/// A line of the text.
struct Sample<'text> {
    name: &'text str,
    /// As `name="value",…`.
    labels: &'text str,
    value: f64,
}

impl<'text> Sample<'text> {
    fn parse(line: &'text str) -> Option<Self> {
        let (name, value) = line.strip_prefix(PREFIX)?.rsplit_once(' ')?;
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        Some(Self { name, labels, value: value.parse().ok()? })
    }

    fn label(&self, name: &str) -> Option<&'text str> {
        let pairs = self.labels.trim_end_matches('}').split(',');
        let mut values = pairs.filter_map(|pair| pair.split_once("=\""));
        values.find(|(key, _)| *key == name).map(|(_, value)| value.trim_end_matches('"'))
    }

    fn counts_for(&self, series: &Series) -> bool {
        self.name == series.metric
            && series.label.is_none_or(|(label, value)| self.label(label) == Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_summed_over_labels_and_what_is_not_there_is_no_number() {
        let reading = Reading::parse(concat!(
            "# HELP livekit_presence_webhooks Webhooks received.\n",
            "livekit_presence_webhooks_total{event=\"participant_joined\",outcome=\"changed\"} 3\n",
            "livekit_presence_webhooks_total{event=\"participant_left\",outcome=\"changed\"} 2\n",
            "livekit_presence_streams_open 7\n",
            "livekit_presence_store_call_seconds_sum{kind=\"apply\"} 0.5\n",
            "livekit_presence_store_call_seconds_sum{kind=\"read\"} 0.25\n",
            "livekit_presence_webhook_to_subscriber_seconds_bucket{le=\"0.001\"} 4\n",
            "livekit_presence_webhook_to_subscriber_seconds_bucket{le=\"+Inf\"} 5\n",
            "another_webhooks_total 99\nlivekit_presence_webhooks_total nonsense\n# EOF\n",
        ));
        let value = |name| {
            let index = SERIES.iter().position(|series| series.name == name).unwrap();
            reading.values[index]
        };
        assert_eq!(value("webhooks"), 5.0);
        assert_eq!(value("webhooks.event.participant_left"), 2.0);
        assert_eq!(value("webhooks.outcome.changed"), 5.0);
        assert_eq!(value("streams"), 7.0);
        assert!(value("livekitUp").is_nan(), "LiveKit's API is not configured");
        assert_eq!(reading.store_seconds, 0.75);
        assert_eq!(reading.latency, [(0.001, 4.0), (f64::INFINITY, 5.0)]);
    }
}
