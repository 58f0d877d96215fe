//! How often which time was measured, to within 0.8 %.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Buckets in each power of two.
const PARTS: u64 = 128;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Histogram {
    buckets: BTreeMap<u64, u64>,
}

impl FromIterator<u64> for Histogram {
    fn from_iter<T: IntoIterator<Item = u64>>(times: T) -> Self {
        let mut histogram = Self::default();
        times.into_iter().for_each(|nanos| histogram.add(nanos));
        histogram
    }
}

impl Histogram {
    pub fn add(&mut self, nanos: u64) {
        *self.buckets.entry(bucket(nanos)).or_default() += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += count;
        }
    }

    pub fn count(&self) -> u64 {
        self.buckets.values().sum()
    }

    /// The time that this many in a thousand do not exceed, in milliseconds.
    pub fn millis(&self, per_mille: u64) -> f64 {
        let mut rest = (self.count() * per_mille).div_ceil(1000).max(1);
        for (bucket, count) in &self.buckets {
            if *count >= rest {
                return middle(*bucket) / 1e6;
            }
            rest -= count;
        }
        f64::NAN
    }
}

fn bucket(nanos: u64) -> u64 {
    let nanos = nanos.max(PARTS);
    let shift = u64::from(nanos.ilog2() - PARTS.ilog2());
    shift * PARTS + (nanos >> shift) - PARTS
}

fn middle(bucket: u64) -> f64 {
    let (shift, part) = (bucket / PARTS, bucket % PARTS);
    let width = (1_u64 << shift) as f64;
    (PARTS + part) as f64 * width + width / 2.0
}
