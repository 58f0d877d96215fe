//! Percentiles of what a histogram counted.

/// The value that the share `q` of what was counted is at most, supposing that it lies evenly within each bucket, as Prometheus
/// does. `buckets` are upper bounds with cumulative counts, the last one infinite. None where nothing was counted.
pub(super) fn quantile(q: f64, buckets: &[(f64, f64)]) -> Option<f64> {
    let total = buckets.last()?.1;
    if total <= 0.0 {
        return None;
    }
    let wanted = q * total;
    let (mut lower, mut below) = (0.0, 0.0);
    for &(upper, count) in buckets {
        if count >= wanted && count > below {
            if upper.is_infinite() {
                return Some(lower);
            }
            return Some(lower + (upper - lower) * (wanted - below) / (count - below));
        }
        (lower, below) = (upper, count);
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_within_their_bucket_and_never_beyond_the_last_bound() {
        let buckets = [(1.0, 0.0), (2.0, 50.0), (4.0, 90.0), (f64::INFINITY, 100.0)];
        let cases = [(0.25, 1.5), (0.5, 2.0), (0.9, 4.0), (0.99, 4.0)];
        for (q, expected) in cases {
            assert_eq!(quantile(q, &buckets), Some(expected), "{q}");
        }
        assert_eq!(quantile(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)]), None);
        assert_eq!(quantile(0.5, &[]), None);
    }
}
