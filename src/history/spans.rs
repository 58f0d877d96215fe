//! Arithmetic on spans of time: cut to a range, put together, added up, counted where they overlap. Lists of spans that this returns
//! are in order, and their spans neither overlap nor touch.

use super::row::Span;

impl Span {
    /// A span that has ended. It never ends before it begins.
    pub fn closed(from: i64, to: i64) -> Self {
        Self { from, to: Some(to.max(from)) }
    }

    /// A span that goes on.
    pub fn open(from: i64) -> Self {
        Self { from, to: None }
    }

    /// Whether it covers all of another one.
    pub fn contains(self, other: Self) -> bool {
        self.from <= other.from && other.end() <= self.end()
    }

    /// Its end. While it goes on, it ends later than everything.
    fn end(self) -> i64 {
        self.to.unwrap_or(i64::MAX)
    }
}

/// What lies between `from` and `to`. A span that goes on is cut at `to` only if `to` is before `now`; it goes on otherwise.
/// Spans without a length are left out.
pub fn cut(spans: &[Span], from: i64, to: i64, now: i64) -> Vec<Span> {
    let within = |span: &Span| {
        let begin = span.from.max(from);
        match span.to {
            None if to >= now => (begin < to).then(|| Span::open(begin)),
            None => (begin < to).then(|| Span::closed(begin, to)),
            Some(end) => (begin < end.min(to)).then(|| Span::closed(begin, end.min(to))),
        }
    };
    spans.iter().filter_map(within).collect()
}

/// The time that is in any of these spans, as few spans as it can be.
pub fn union(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut spans: Vec<Span> = spans.into_iter().collect();
    spans.sort_unstable_by_key(|span| span.from);
    let mut joined: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.from <= last.end() => {
                last.to = last.to.and_then(|end| span.to.map(|other| other.max(end)));
            }
            Some(_) | None => joined.push(span),
        }
    }
    joined
}

/// Joins the two spans, of a list in order, that have the shortest gap between them which `may_be_filled`. Returns whether there
/// were such two.
pub fn join_nearest(spans: &mut Vec<Span>, may_be_filled: impl Fn(Span) -> bool) -> bool {
    let gap = |two: &[Span]| Span::closed(two[0].end(), two[1].from);
    let nearest = spans
        .windows(2)
        .map(gap)
        .enumerate()
        .filter(|(_, gap)| may_be_filled(*gap))
        .min_by_key(|(_, gap)| gap.end() - gap.from);
    let Some((before, _)) = nearest else { return false };
    spans[before].to = spans.remove(before + 1).to;
    true
}

/// Their lengths added up, in milliseconds. Spans that go on count until `now`.
pub fn duration(spans: &[Span], now: i64) -> i64 {
    spans.iter().map(|span| (span.to.unwrap_or(now) - span.from).max(0)).sum()
}

/// The most spans that cover one moment. A span that begins where another ends does not overlap it; a span without a length covers
/// the moment at which it begins.
pub fn most_at_once(spans: impl IntoIterator<Item = Span>) -> usize {
    let (mut begins, mut ends) = (Vec::new(), Vec::new());
    for span in spans {
        begins.push(span.from);
        ends.push(span.end().max(span.from.saturating_add(1)));
    }
    begins.sort_unstable();
    ends.sort_unstable();
    let mut over = 0;
    let mut most = 0;
    for (before, begin) in begins.iter().enumerate() {
        while ends.get(over).is_some_and(|end| end <= begin) {
            over += 1;
        }
        most = most.max(before + 1 - over);
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(pairs: &[(i64, Option<i64>)]) -> Vec<Span> {
        pairs.iter().copied().map(Span::from).collect()
    }

    #[test]
    fn a_range_cuts_what_reaches_over_its_ends() {
        let cases: [(&[_], &[_]); 7] = [
            (&[(0, Some(10))], &[]),
            (&[(0, Some(15))], &[(10, Some(15))]),
            (&[(12, Some(15)), (18, Some(25))], &[(12, Some(15)), (18, Some(20))]),
            (&[(20, Some(30))], &[]),
            (&[(15, Some(15))], &[]),
            (&[(5, None)], &[(10, Some(20))]),
            (&[(20, None)], &[]),
        ];
        for (whole, expected) in cases {
            assert_eq!(cut(&spans(whole), 10, 20, 100), spans(expected), "{whole:?}");
        }
    }

    #[test]
    fn a_span_that_goes_on_stays_open_where_the_range_has_not_ended() {
        assert_eq!(cut(&spans(&[(5, None)]), 10, 20, 20), spans(&[(10, None)]));
        assert_eq!(cut(&spans(&[(5, None)]), 10, 20, 21), spans(&[(10, Some(20))]));
    }

    #[test]
    fn a_union_counts_no_moment_twice() {
        let of_two_devices =
            spans(&[(20, Some(30)), (0, Some(10)), (5, Some(12)), (12, Some(13)), (25, Some(27))]);
        let together = union(of_two_devices);
        assert_eq!(together, spans(&[(0, Some(13)), (20, Some(30))]));
        assert_eq!(duration(&together, 100), 23);
        assert_eq!(union(spans(&[(0, None), (5, Some(6))])), spans(&[(0, None)]));
        assert_eq!(duration(&spans(&[(90, None), (120, None)]), 100), 10);
    }

    #[test]
    fn someone_who_comes_as_another_leaves_is_not_inside_with_them() {
        assert_eq!(most_at_once([]), 0);
        assert_eq!(most_at_once(spans(&[(0, Some(10)), (10, Some(20))])), 1);
        assert_eq!(most_at_once(spans(&[(0, Some(10)), (9, Some(20)), (15, None)])), 2);
        assert_eq!(most_at_once(spans(&[(0, None), (1, None), (5, Some(5))])), 3);
        assert_eq!(most_at_once(spans(&[(0, Some(0)), (0, Some(0)), (1, Some(2))])), 2);
    }
}
