//! From which side of the past the rows of a range are found. Rows are in order of their beginnings and in order of their ends, and
//! a database can go along one of both.

use super::range::TimeRange;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that began before the range ends.
    Beginnings,
    /// Those that end after the range begins.
    Ends,
}

impl Side {
    /// The side on which less lies beyond the range, if `oldest` is the first beginning of all.
    pub fn of(range: &TimeRange, oldest: Option<i64>) -> Self {
        let before = range.to.saturating_sub(oldest.unwrap_or(range.to));
        let after = range.now.saturating_sub(range.from);
        if before < after { Self::Beginnings } else { Self::Ends }
    }

    /// The condition for rows within the range from `$1` to `$2`. A plus keeps a database from going along that column.
    pub fn condition(self, begins: &str, ends: &str) -> String {
        match self {
            Self::Beginnings => format!("+{ends} > $1 AND {begins} < $2"),
            Self::Ends => format!("{ends} > $1 AND +{begins} < $2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_from_the_side_on_which_less_lies_beyond_it() {
        let side = |from, to| Side::of(&TimeRange { from, to, now: 1_000 }, Some(0));
        assert_eq!(side(100, 200), Side::Beginnings);
        assert_eq!(side(800, 900), Side::Ends);
        assert_eq!(side(0, 1_000), Side::Ends);
        assert_eq!(side(900, i64::MAX), Side::Ends);
        assert_eq!(Side::of(&TimeRange { from: 0, to: 10, now: 1_000 }, None), Side::Beginnings);
    }
}
