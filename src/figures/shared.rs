//! A step as instances tell it to each other: a line of JSON.

use serde::{Deserialize, Serialize};

use super::{
    series::COLUMNS,
    step::{Step, names},
};

/// The time it ended, its numbers, and what each bucket of the time to a subscriber counted: nothing if all of them counted nothing.
#[derive(Serialize, Deserialize)]
struct Line(u64, Vec<Option<f32>>, Vec<f64>);

pub(super) fn written(step: &Step) -> String {
    let values = step.values.iter().map(|value| value.is_finite().then_some(*value));
    let mut counts: Vec<_> = step.latency.iter().map(|(_, count)| *count).collect();
    if counts.iter().all(|count| *count == 0.0) {
        counts.clear();
    }
    let line = Line(step.at, values.collect(), counts);
    serde_json::to_string(&line).expect("numbers can be written")
}

/// None if this is no step of an instance with these columns and buckets.
pub(super) fn read(line: &str, bounds: &[f64]) -> Option<Step> {
    let Line(at, read, mut counts) = serde_json::from_str(line).ok()?;
    if counts.is_empty() {
        counts = vec![0.0; bounds.len()];
    }
    if read.len() != COLUMNS || counts.len() != bounds.len() {
        return None;
    }
    let mut values = [f32::NAN; COLUMNS];
    for (value, read) in values.iter_mut().zip(read) {
        *value = read.unwrap_or(f32::NAN);
    }
    Some(Step { at, values, latency: bounds.iter().copied().zip(counts).collect() })
}

/// A fingerprint of the columns and buckets: an instance of another release may have others.
pub(super) fn layout(bounds: &[f64]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for name in names() {
        hasher.update(name.as_bytes());
        hasher.update(b"\n");
    }
    for bound in bounds {
        hasher.update(&bound.to_le_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_read_as_it_was_written_and_nothing_else_is() {
        let mut values = [f32::NAN; COLUMNS];
        (values[0], values[5]) = (0.2, 7.0);
        let bounds = [0.001, f64::INFINITY];
        let latency = vec![(0.001, 3.0), (f64::INFINITY, 4.0)];
        let line = written(&Step { at: 5_000, values, latency: latency.clone() });
        assert!(line.starts_with("[5000,[0.2,null,") && line.ends_with("],[3.0,4.0]]"), "{line}");
        let step = read(&line, &bounds).unwrap();
        assert_eq!((step.at, step.values[0], step.values[5]), (5_000, 0.2, 7.0));
        assert!(step.values[1].is_nan());
        assert_eq!(step.latency, latency);
        assert!(read(&line, &[0.001]).is_none());
        let quiet = written(&Step { latency: vec![(0.001, 0.0), (f64::INFINITY, 0.0)], ..step });
        assert!(quiet.ends_with("],[]]"), "{quiet}");
        assert_eq!(read(&quiet, &bounds).unwrap().latency, [(0.001, 0.0), (f64::INFINITY, 0.0)]);
        for wrong in ["", "[5000,[1.0],[]]", "{}"] {
            assert!(read(wrong, &bounds).is_none(), "{wrong}");
        }
        assert_ne!(layout(&bounds), layout(&[0.001]));
    }
}
