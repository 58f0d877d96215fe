//! One session as a question about a part of the past shows it.

use serde::Serialize;

use crate::{
    history::{
        row::{SessionRow, Span},
        spans,
    },
    presence::ToldBy,
};

use super::{csv::Csv, range::TimeRange, time::Rfc3339};

/// A session. Its ends are its own; its intervals are those within the range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionInRange {
    pub sid: String,
    /// LiveKit's id of the life of the room, if it is known.
    pub instance: Option<String>,
    pub joined_at: Rfc3339,
    pub joined_at_ms: i64,
    pub left_at: Option<Rfc3339>,
    pub left_at_ms: Option<i64>,
    pub duration_ms: i64,
    pub exact: bool,
    /// LiveKit's name of the reason for its end, if it said one.
    pub reason: Option<String>,
    /// What told of its end, or of its join while it is inside.
    pub source: ToldBy,
    pub intervals: Vec<Span>,
    pub microphone: Vec<Span>,
    pub camera: Vec<Span>,
    pub screen: Vec<Span>,
}

impl SessionInRange {
    /// What [`write_csv`](Self::write_csv) writes.
    pub const COLUMNS: [&str; 12] = [
        "sid",
        "instance",
        "joinedAt",
        "joinedAtMs",
        "leftAt",
        "leftAtMs",
        "durationMs",
        "microphoneMs",
        "cameraMs",
        "screenMs",
        "exact",
        "reason",
    ];

    /// As cells of a row that others may go on with.
    pub fn write_csv(&self, csv: &mut Csv, now: i64) {
        csv.text(&self.sid).optional(self.instance.as_deref());
        csv.time(Some(self.joined_at_ms)).time(self.left_at_ms).value(self.duration_ms);
        for media in [&self.microphone, &self.camera, &self.screen] {
            csv.value(spans::duration(media, now));
        }
        csv.value(self.exact).optional(self.reason.as_deref());
    }

    pub fn of(row: &SessionRow, range: &TimeRange) -> Self {
        let cut = |whole: &[Span]| spans::cut(whole, range.from, range.to, range.now);
        let intervals = cut(&row.spans.inside);
        Self {
            sid: row.sid.clone(),
            instance: row.instance.clone(),
            joined_at: Rfc3339(row.joined_at),
            joined_at_ms: row.joined_at,
            left_at: row.left_at.map(Rfc3339),
            left_at_ms: row.left_at,
            duration_ms: spans::duration(&intervals, range.now),
            exact: row.exact,
            reason: row.reason.clone(),
            source: row
                .left_told_by
                .filter(|_| row.left_at.is_some())
                .unwrap_or(row.joined_told_by),
            intervals,
            microphone: cut(&row.spans.microphone),
            camera: cut(&row.spans.camera),
            screen: cut(&row.spans.screen),
        }
    }
}

/// Whether a session could be seen within the range. In the middle of a session somebody can have been hidden.
pub fn is_seen(row: &SessionRow, range: &TimeRange) -> bool {
    let is_within = |span: &Span| {
        // What goes on has gone on until now, and no further.
        let ends_later = span.to.unwrap_or(range.now) > range.from;
        span.from < range.to && (ends_later || span.from >= range.from)
    };
    row.spans.inside.iter().any(is_within)
}

#[cfg(test)]
pub(super) mod examples {
    use crate::history::row::Spans;

    use super::*;

    /// A session of `identity`, which is its `sid` and its name too, with these intervals.
    pub fn session(identity: &str, inside: &[(i64, Option<i64>)]) -> SessionRow {
        SessionRow {
            sid: format!("PA_{identity}"),
            identity: identity.to_owned(),
            room: "general".to_owned(),
            instance: None,
            name: identity.to_owned(),
            kind: "STANDARD".to_owned(),
            agent: false,
            joined_at: inside.first().map_or(0, |first| first.0),
            left_at: inside.last().and_then(|last| last.1),
            exact: true,
            reason: None,
            joined_told_by: ToldBy::Webhook,
            left_told_by: None,
            left_why: None,
            spans: Spans {
                inside: inside.iter().copied().map(Span::from).collect(),
                ..Spans::default()
            },
            metadata: None,
            seq: 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{examples::session, *};

    #[test]
    fn somebody_who_was_hidden_all_the_time_was_not_seen() {
        let range = TimeRange { from: 20, to: 40, now: 100 };
        let cases: [(&[_], bool); 7] = [
            (&[(0, Some(10)), (50, Some(60))], false),
            (&[(0, Some(20))], false),
            (&[(40, None)], false),
            (&[(0, Some(21))], true),
            (&[(0, None)], true),
            (&[(20, Some(20))], true),
            (&[(30, Some(30))], true),
        ];
        let tomorrow = TimeRange { from: 120, to: 140, now: 100 };
        assert!(!is_seen(&session("alice", &[(0, None)]), &tomorrow));
        for (inside, expected) in cases {
            assert_eq!(is_seen(&session("alice", inside), &range), expected, "{inside:?}");
        }
    }

    #[test]
    fn the_ends_of_a_session_are_its_own_and_its_intervals_those_in_the_range() {
        let mut row = session("alice", &[(0, Some(25)), (30, Some(60))]);
        row.spans.microphone = vec![Span::closed(10, 22)];
        row.left_told_by = Some(ToldBy::Comparison);
        row.exact = false;
        let shown = SessionInRange::of(&row, &TimeRange { from: 20, to: 40, now: 100 });
        assert_eq!((shown.joined_at_ms, shown.left_at_ms), (0, Some(60)));
        assert_eq!(shown.intervals, [Span::closed(20, 25), Span::closed(30, 40)]);
        assert_eq!(shown.microphone, [Span::closed(20, 22)]);
        assert_eq!((shown.duration_ms, shown.exact, shown.source), (15, false, ToldBy::Comparison));
    }

    #[test]
    fn while_a_session_goes_on_its_last_interval_has_no_end_and_lasts_until_now() {
        let row = session("alice", &[(10, None)]);
        let shown = SessionInRange::of(&row, &TimeRange { from: 20, to: 101, now: 100 });
        assert_eq!(shown.intervals, [Span::open(20)]);
        assert_eq!(
            (shown.left_at_ms, shown.duration_ms, shown.source),
            (None, 80, ToldBy::Webhook)
        );
    }
}
