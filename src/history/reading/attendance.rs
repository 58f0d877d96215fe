//! Who attended a room: its sessions, by person.

use serde::Serialize;

use crate::history::{
    row::{SessionRow, Span},
    spans,
};

use super::{
    csv::Csv,
    range::TimeRange,
    session::{SessionInRange, is_seen},
    time::Rfc3339,
};

/// One person, and the sessions of that person within the range.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub identity: String,
    pub name: String,
    pub kind: String,
    pub first_joined_at: Rfc3339,
    pub first_joined_at_ms: i64,
    pub last_left_at: Option<Rfc3339>,
    pub last_left_at_ms: Option<i64>,
    /// Whether a session goes on.
    pub is_inside: bool,
    /// No moment counts twice, here and in the others.
    pub duration_ms: i64,
    pub microphone_ms: i64,
    pub camera_ms: i64,
    pub screen_ms: i64,
    /// Whether the ends of all sessions were said.
    pub exact: bool,
    pub sessions: Vec<SessionInRange>,
}

/// The people of these rows. The rows of each person lie next to each other, in order of joining.
pub fn people_of(rows: &[SessionRow], range: &TimeRange) -> Vec<Person> {
    let by_person = rows.chunk_by(|one, next| one.identity == next.identity);
    by_person.filter_map(|rows| Person::of(rows, range)).collect()
}

impl Person {
    /// What [`write_csv`](Self::write_csv) writes.
    pub const COLUMNS: [&str; 14] = [
        "identity",
        "name",
        "kind",
        "firstJoinedAt",
        "firstJoinedAtMs",
        "lastLeftAt",
        "lastLeftAtMs",
        "isInside",
        "durationMs",
        "microphoneMs",
        "cameraMs",
        "screenMs",
        "exact",
        "sessions",
    ];

    /// As cells of a row that others may go on with.
    pub fn write_csv(&self, csv: &mut Csv) {
        csv.text(&self.identity).text(&self.name).text(&self.kind);
        csv.time(Some(self.first_joined_at_ms)).time(self.last_left_at_ms).value(self.is_inside);
        csv.value(self.duration_ms).value(self.microphone_ms);
        csv.value(self.camera_ms).value(self.screen_ms);
        csv.value(self.exact).value(self.sessions.len());
    }

    /// None if nobody could see them within the range.
    fn of(rows: &[SessionRow], range: &TimeRange) -> Option<Self> {
        let rows: Vec<&SessionRow> = rows.iter().filter(|row| is_seen(row, range)).collect();
        let (first, newest) = (rows.first()?, rows.last()?);
        let name = rows.iter().rev().find(|row| !row.name.is_empty()).unwrap_or(newest);
        let is_inside = rows.iter().any(|row| row.left_at.is_none());
        let last_left_at = rows.iter().filter_map(|row| row.left_at).max().filter(|_| !is_inside);
        let sessions: Vec<_> = rows.iter().map(|row| SessionInRange::of(row, range)).collect();
        let time = |of: fn(&SessionInRange) -> &[Span]| {
            let together = spans::union(sessions.iter().flat_map(of).copied());
            spans::duration(&together, range.now)
        };
        Some(Self {
            identity: first.identity.clone(),
            name: name.name.clone(),
            kind: newest.kind.clone(),
            first_joined_at: Rfc3339(first.joined_at),
            first_joined_at_ms: first.joined_at,
            last_left_at: last_left_at.map(Rfc3339),
            last_left_at_ms: last_left_at,
            is_inside,
            duration_ms: time(|session| &session.intervals),
            microphone_ms: time(|session| &session.microphone),
            camera_ms: time(|session| &session.camera),
            screen_ms: time(|session| &session.screen),
            exact: rows.iter().all(|row| row.exact),
            sessions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::session::examples::session, *};

    const RANGE: TimeRange = TimeRange { from: 100, to: 200, now: 1_000 };

    #[test]
    fn two_devices_of_a_person_count_no_moment_twice() {
        let mut phone = session("alice", &[(90, Some(150))]);
        phone.spans.microphone = vec![Span::closed(95, 120)];
        let mut laptop = session("alice", &[(140, Some(250))]);
        laptop.spans.microphone = vec![Span::closed(110, 130), Span::closed(190, 220)];
        laptop.name = String::new();
        laptop.exact = false;
        let [alice] = &people_of(&[phone, laptop], &RANGE)[..] else { panic!("one person") };
        assert_eq!((alice.duration_ms, alice.microphone_ms, alice.camera_ms), (100, 40, 0));
        assert_eq!((alice.first_joined_at_ms, alice.last_left_at_ms), (90, Some(250)));
        assert_eq!((&*alice.name, alice.exact, alice.sessions.len()), ("alice", false, 2));
    }

    #[test]
    fn somebody_inside_has_no_last_leave_although_an_earlier_session_left() {
        let rows = [session("alice", &[(90, Some(150))]), session("alice", &[(160, None)])];
        let [alice] = &people_of(&rows, &RANGE)[..] else { panic!("one person") };
        assert!(alice.is_inside);
        assert_eq!((alice.last_left_at_ms, alice.duration_ms), (None, 90));
    }

    #[test]
    fn somebody_who_was_hidden_is_left_out_and_others_keep_their_order() {
        let rows = [
            session("carol", &[(50, Some(300))]),
            session("bob", &[(60, Some(100)), (200, Some(300))]),
            session("alice", &[(120, Some(130))]),
        ];
        let people = people_of(&rows, &RANGE);
        let identities: Vec<_> = people.iter().map(|person| &*person.identity).collect();
        assert_eq!(identities, ["carol", "alice"]);
    }
}
