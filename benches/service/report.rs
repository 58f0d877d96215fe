//! Figures, and what they come to.

use std::time::Duration;

/// What one run of changes cost.
pub struct Figures {
    cpu: Duration,
    webhooks_cpu: Duration,
    /// Sorted, in nanoseconds.
    latencies: Vec<u64>,
}

impl Figures {
    pub fn new(cpu: Duration, webhooks_cpu: Option<Duration>, mut latencies: Vec<u64>) -> Self {
        latencies.sort_unstable();
        Self { cpu, webhooks_cpu: webhooks_cpu.unwrap_or_default(), latencies }
    }

    pub fn deliveries(&self) -> usize {
        self.latencies.len()
    }

    pub fn cpu_micros(&self) -> f64 {
        self.per_delivery(self.cpu)
    }

    /// Without what the same webhooks cost when nobody reads.
    pub fn delivery_cpu_micros(&self) -> f64 {
        self.per_delivery(self.cpu.saturating_sub(self.webhooks_cpu))
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a fraction of a length is below it"
    )]
    pub fn percentile_millis(&self, fraction: f64) -> f64 {
        let index = (self.latencies.len() as f64 * fraction) as usize;
        self.latencies[index.min(self.latencies.len() - 1)] as f64 / 1e6
    }

    fn per_delivery(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub fn ratio(what: &str, goal: f64, ratio: f64) {
    let verdict = if ratio <= goal { "met" } else { "missed" };
    println!("  {what}: {ratio:.2} (goal: at most {goal}, {verdict})");
}
