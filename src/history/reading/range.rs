//! The part of the past that a question is about.

use super::time::Rfc3339;

/// How far back a question goes that does not say it, in milliseconds.
const BY_DEFAULT: i64 = 24 * 3_600_000;

/// From a time, up to another, which is not in it any more. What goes on is taken to go on until `now`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    pub from: i64,
    pub to: i64,
    pub now: i64,
}

/// `from` is not before `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`from` ({from}) must be before `to` ({to})")]
pub struct EmptyRange {
    from: Rfc3339,
    to: Rfc3339,
}

impl TimeRange {
    /// The end is now if none is given, and the beginning a day before the end.
    ///
    /// # Errors
    /// `from` is not before `to`.
    pub fn new(from: Option<i64>, to: Option<i64>, now: i64) -> Result<Self, EmptyRange> {
        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| (to - BY_DEFAULT).max(0));
        if from < to {
            Ok(Self { from, to, now })
        } else {
            Err(EmptyRange { from: Rfc3339(from), to: Rfc3339(to) })
        }
    }

    /// The whole past, and what is still to come.
    pub fn everything(now: i64) -> Self {
        Self { from: 0, to: i64::MAX - 1, now }
    }

    /// Until when what goes on is counted.
    pub fn known_until(&self) -> i64 {
        self.to.min(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_795_391_850_268;

    #[test]
    fn a_question_is_about_the_last_day_unless_it_says_otherwise() {
        let range = |from, to| TimeRange::new(from, to, NOW).map(|range| (range.from, range.to));
        assert_eq!(range(None, None), Ok((NOW - 86_400_000, NOW)));
        assert_eq!(range(Some(5), None), Ok((5, NOW)));
        assert_eq!(range(None, Some(86_400_007)), Ok((7, 86_400_007)));
        assert_eq!(range(None, Some(1_000)), Ok((0, 1_000)));
        assert_eq!(range(Some(5), Some(6)), Ok((5, 6)));
        assert!(range(Some(6), Some(6)).is_err());
        assert!(range(Some(NOW + 1), None).is_err());
        let error = range(Some(2_000), Some(1_000)).unwrap_err().to_string();
        assert_eq!(
            error,
            "`from` (1970-01-01T00:00:02.000Z) must be before `to` (1970-01-01T00:00:01.000Z)"
        );
    }
}
