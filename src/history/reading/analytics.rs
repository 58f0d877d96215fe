//! How busy rooms were, by the day or the hour.

use std::{
    collections::{BTreeMap, HashMap},
    iter::Peekable,
    vec,
};

use serde::{Serialize, Serializer};

use crate::history::{
    row::{SessionRow, Span},
    spans,
};

use super::{range::TimeRange, session::is_seen, time::Rfc3339};

/// The length of what is counted together, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    Hour,
    Day,
}

impl Period {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    fn millis(self) -> i64 {
        match self {
            Self::Hour => 3_600_000,
            Self::Day => 86_400_000,
        }
    }

    /// The beginning of the period that a time is in.
    pub fn start_of(self, millis: i64) -> i64 {
        millis - millis.rem_euclid(self.millis())
    }

    /// The beginning of the period after the one that a time is in.
    pub fn after(self, millis: i64) -> i64 {
        self.start_of(millis).saturating_add(self.millis())
    }
}

/// One room in one hour or day. Agents do not count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub room: String,
    pub start: Rfc3339,
    pub start_ms: i64,
    /// Different identities.
    pub people: usize,
    pub sessions: usize,
    /// The time of all people together. No moment of a person counts twice.
    pub minutes: Minutes,
    /// The most people at the same time.
    pub peak: usize,
    /// The time of all people by the number of sessions.
    pub average_stay_ms: i64,
}

/// A time in milliseconds, written as minutes with two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Minutes(pub i64);

impl Minutes {
    pub fn as_f64(self) -> f64 {
        (self.0 as f64 / 600.0).round() / 100.0
    }
}

impl Serialize for Minutes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

#[derive(Default)]
struct Counted<'row> {
    sessions: usize,
    of_people: HashMap<&'row str, Vec<Span>>,
}

/// The rooms of these rows, by the beginning of each period, then by name. A session counts in every period in which it could be
/// seen. Nothing is counted before it is asked for: what goes on all the time reaches into many periods.
pub fn usage_of<'rows>(
    rows: &'rows [SessionRow],
    period: Period,
    range: &TimeRange,
) -> impl Iterator<Item = Usage> + use<'rows> {
    let mut coming: Vec<_> = rows.iter().filter(|row| !row.agent).collect();
    coming.sort_by_key(|row| row.joined_at);
    let coming = coming.into_iter().peekable();
    Periods { period, rest: *range, coming, inside: Vec::new() }.flatten()
}

/// The periods in which somebody was inside, one after the other.
struct Periods<'rows> {
    period: Period,
    /// What is still to be counted.
    rest: TimeRange,
    /// The sessions that begin there, by their beginnings.
    coming: Peekable<vec::IntoIter<&'rows SessionRow>>,
    /// Those that have begun before it, and go on.
    inside: Vec<&'rows SessionRow>,
}

impl Iterator for Periods<'_> {
    type Item = Vec<Usage>;

    fn next(&mut self) -> Option<Vec<Usage>> {
        let TimeRange { from, to, now } = self.rest;
        let from = match self.inside.is_empty() {
            // There is nobody until the next one comes.
            true => from.max(self.coming.peek()?.joined_at),
            false => from,
        };
        if from >= to {
            return None;
        }
        let part = TimeRange { from, to: self.period.after(from).min(to), now };
        while let Some(row) = self.coming.next_if(|row| row.joined_at < part.to) {
            self.inside.push(row);
        }
        let usage = usage_in(&self.inside, self.period.start_of(from), &part);
        self.inside.retain(|row| row.left_at.unwrap_or(now) > part.to);
        self.rest.from = part.to;
        Some(usage)
    }
}

/// The rooms of these rows within one period, by name.
fn usage_in(rows: &[&SessionRow], start: i64, part: &TimeRange) -> Vec<Usage> {
    let mut counted: BTreeMap<&str, Counted> = BTreeMap::new();
    for row in rows.iter().filter(|row| is_seen(row, part)) {
        let of_room = counted.entry(&row.room).or_default();
        of_room.sessions += 1;
        let intervals = spans::cut(&row.spans.inside, part.from, part.to, part.now);
        of_room.of_people.entry(&row.identity).or_default().extend(intervals);
    }
    let usage = counted.into_iter();
    usage.map(|(room, counted)| counted.into_usage(room, start, part.now)).collect()
}

impl Counted<'_> {
    fn into_usage(self, room: &str, start: i64, now: i64) -> Usage {
        let people = self.of_people.len();
        let of_people: Vec<Vec<Span>> = self.of_people.into_values().map(spans::union).collect();
        let time: i64 = of_people.iter().map(|one| spans::duration(one, now)).sum();
        let sessions = i64::try_from(self.sessions).unwrap_or(i64::MAX);
        Usage {
            room: room.to_owned(),
            start: Rfc3339(start),
            start_ms: start,
            people,
            sessions: self.sessions,
            minutes: Minutes(time),
            peak: spans::most_at_once(of_people.into_iter().flatten()),
            average_stay_ms: time / sessions.max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{super::session::examples::session, *};

    const HOUR: i64 = 3_600_000;
    const MINUTE: i64 = 60_000;

    fn usage_of(rows: &[SessionRow], period: Period, range: &TimeRange) -> Vec<Usage> {
        super::usage_of(rows, period, range).collect()
    }

    fn in_short(usage: &[Usage]) -> Vec<(i64, &str, usize, usize, f64, usize, i64)> {
        let short = |one: &Usage| {
            let Usage { start_ms, people, sessions, peak, .. } = *one;
            let minutes = one.minutes.as_f64();
            let stay = one.average_stay_ms / MINUTE;
            // The names live as long as the rows.
            (
                start_ms / HOUR,
                Box::leak(one.room.clone().into_boxed_str()) as &str,
                people,
                sessions,
                minutes,
                peak,
                stay,
            )
        };
        usage.iter().map(short).collect()
    }

    #[test]
    fn a_session_counts_in_each_hour_that_it_reaches_into() {
        let rows = [
            session("alice", &[(30 * MINUTE, Some(2 * HOUR + 15 * MINUTE))]),
            session("bob", &[(50 * MINUTE, Some(70 * MINUTE))]),
        ];
        let range = TimeRange { from: 0, to: 24 * HOUR, now: 30 * HOUR };
        assert_eq!(
            in_short(&usage_of(&rows, Period::Hour, &range)),
            [
                (0, "general", 2, 2, 40.0, 2, 20),
                (1, "general", 2, 2, 70.0, 2, 35),
                (2, "general", 1, 1, 15.0, 1, 15),
            ]
        );
        let days = usage_of(&rows, Period::Day, &range);
        assert_eq!(in_short(&days), [(0, "general", 2, 2, 125.0, 2, 62)]);
    }

    #[test]
    fn a_person_with_two_devices_is_one_and_agents_are_nobody() {
        let mut phone = session("alice", &[(0, Some(40 * MINUTE))]);
        phone.sid = "PA_phone".to_owned();
        let laptop = session("alice", &[(20 * MINUTE, Some(60 * MINUTE))]);
        let mut agent = session("agent", &[(0, Some(60 * MINUTE))]);
        agent.agent = true;
        let range = TimeRange { from: 0, to: HOUR, now: 2 * HOUR };
        let usage = usage_of(&[phone, laptop, agent], Period::Hour, &range);
        assert_eq!(in_short(&usage), [(0, "general", 1, 2, 60.0, 1, 30)]);
    }

    #[test]
    fn the_range_cuts_the_first_and_the_last_period_and_who_is_inside_counts_until_now() {
        let mut other = session("bob", &[(HOUR + 10 * MINUTE, None)]);
        other.room = "a room".to_owned();
        let rows = [session("alice", &[(0, None)]), other];
        let range = TimeRange { from: 45 * MINUTE, to: 10 * HOUR, now: HOUR + 30 * MINUTE };
        assert_eq!(
            in_short(&usage_of(&rows, Period::Hour, &range)),
            [
                (0, "general", 1, 1, 15.0, 1, 15),
                (1, "a room", 1, 1, 20.0, 1, 20),
                (1, "general", 1, 1, 30.0, 1, 30),
            ]
        );
    }

    #[test]
    fn a_session_without_a_length_is_in_the_period_in_which_it_begins() {
        let rows = [session("alice", &[(HOUR, Some(HOUR))])];
        let range = TimeRange { from: 0, to: 24 * HOUR, now: 30 * HOUR };
        let usage = usage_of(&rows, Period::Hour, &range);
        assert_eq!(in_short(&usage), [(1, "general", 1, 1, 0.0, 0, 0)]);
    }

    #[test]
    fn a_page_counts_no_more_periods_than_it_takes() {
        let century = 100 * 365 * 24 * HOUR;
        let always_on = [session("alice", &[(0, None)]), session("bob", &[(0, None)])];
        let range = TimeRange { from: 0, to: century, now: century };
        let start = Instant::now();
        let page: Vec<_> = super::usage_of(&always_on, Period::Hour, &range).take(2).collect();
        assert_eq!(
            in_short(&page),
            [(0, "general", 2, 2, 120.0, 2, 60), (1, "general", 2, 2, 120.0, 2, 60)]
        );
        // To count all 876,000 hours takes seconds.
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
    }
}
