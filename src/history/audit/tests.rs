use std::sync::Arc;

use super::*;
use crate::{
    history::Rows,
    presence::{Event, EventKind, HostTime, RoomLifecycle, Rules, SessionInfo, SessionState},
};

const MINUTE: i64 = 60_000;

/// A room, and the rows that its steps lead to.
struct Fixture {
    name: RoomName,
    room: Option<Room>,
    rows: Rows,
    findings: Findings,
    now: i64,
    /// When this process was started, if it has not made an audit yet.
    started_after: Option<i64>,
    is_settled: bool,
}

impl Fixture {
    fn new() -> Self {
        let name = RoomName::parse("general").unwrap();
        let (rows, findings) = (Rows::default(), Findings::new());
        Self {
            name,
            room: Some(Room::default()),
            rows,
            findings,
            now: 1_000_000,
            started_after: None,
            is_settled: true,
        }
    }

    fn store_now(&self) -> StoreTime {
        StoreTime::from_millis(self.now.unsigned_abs())
    }

    /// What the room's steps add reaches the history, or is lost.
    fn step(&mut self, kind: EventKind, reaches: bool) -> &mut Self {
        self.step_in(Some("RM_1"), kind, reaches)
    }

    fn step_in(&mut self, life: Option<&str>, kind: EventKind, reaches: bool) -> &mut Self {
        self.now += 1_000;
        let (now, rules) = (self.store_now(), Rules::default());
        let event = Event {
            id: None,
            room: self.name.clone(),
            room_sid: life.map(RoomSid::new),
            room_created_at: life.map(|_| LiveKitTime::from_millis(1_000_000)),
            identity: None,
            created_at: LiveKitTime::from_millis(self.now),
            received_at: HostTime::from_millis(self.now.unsigned_abs()),
            kind,
            details: Arc::default(),
        };
        let room = self.room.as_mut().expect("the store holds it");
        let mut transitions = Vec::new();
        let applied = room.apply_noting(&event, now, &rules, &mut transitions);
        let records =
            StepTaken::of_event(room, &event, &applied, &transitions, now, false).records();
        let opening = room.open_instance();
        let item = HistoryItem {
            room: self.name.clone(),
            seq: now.as_micros(),
            opening: opening.map(|(sid, created_at)| RoomOpening { sid: sid.clone(), created_at }),
            records,
        };
        if reaches {
            self.rows.apply(&item);
        }
        self
    }

    fn joins(&mut self, sid: &str, reaches: bool) -> &mut Self {
        self.joins_life(sid, Some("RM_1"), reaches)
    }

    fn joins_life(&mut self, sid: &str, life: Option<&str>, reaches: bool) -> &mut Self {
        let info = SessionInfo {
            sid: ParticipantSid::new(sid),
            identity: Identity::new(sid.to_lowercase().trim_end_matches('b')),
            state: SessionState::Active,
            joined_at: LiveKitTime::from_millis(self.now),
            version: 2,
            hidden: false,
            recorder: false,
            profile: Arc::default(),
            tracks: Vec::new(),
        };
        self.step_in(life, EventKind::Joined(info), reaches)
    }

    fn leaves(&mut self, sid: &str, reaches: bool) -> &mut Self {
        let sid = ParticipantSid::new(sid);
        self.step(EventKind::Left { sid, was_active: true }, reaches)
    }

    /// An audit a minute later, which writes its corrections. Returns how many there were.
    fn audited(&mut self) -> usize {
        self.now += MINUTE;
        let sessions: Vec<_> = self.rows.sessions().cloned().collect();
        let instances: Vec<_> = self.rows.instances().cloned().collect();
        let audit = Audit {
            name: &self.name,
            room: self.room.as_ref(),
            rows: AuditedRows { sessions: &sessions, instances: &instances },
            now: self.store_now(),
            noticed_at: self.started_after.take().unwrap_or(self.now),
            metadata: false,
            is_settled: self.is_settled,
        };
        let (findings, corrections) = audit.run(&self.findings);
        self.findings = findings;
        for item in &corrections {
            self.rows.apply(item);
        }
        corrections.len()
    }

    fn open(&self) -> Vec<&str> {
        let open = self.rows.sessions().filter(|row| row.is_open());
        let mut open: Vec<_> = open.map(|row| row.sid.as_str()).collect();
        open.sort_unstable();
        open
    }
}

#[test]
fn rows_that_agree_with_their_room_stay_as_they_are() {
    let mut fixture = Fixture::new();
    fixture.step(EventKind::Room(RoomLifecycle::Started), true);
    fixture.joins("PA_1", true).joins("PA_2", true).leaves("PA_2", true);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 0]);
    assert_eq!(fixture.findings.len(), 0);
}

#[test]
fn a_session_that_left_its_room_unnoticed_is_closed_when_two_audits_miss_it() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).joins("PA_2", true).leaves("PA_1", false);
    assert_eq!(fixture.audited(), 0);
    let first = fixture.now;
    assert_eq!(fixture.open(), ["PA_1", "PA_2"]);
    assert_eq!(fixture.audited(), 1);
    assert_eq!(fixture.open(), ["PA_2"]);
    let row = fixture.rows.session("PA_1").unwrap();
    assert_eq!((row.left_at, row.exact), (Some(first), false));
    assert_eq!(row.left_why, Some(LeftWhy::Concluded));
    assert_eq!([fixture.audited(), fixture.audited()], [0, 0]);
}

#[test]
fn a_row_that_changed_between_two_audits_is_looked_at_anew() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).leaves("PA_1", false);
    assert_eq!(fixture.audited(), 0);
    // Its leave was on its way.
    let left = {
        let mut other = Fixture::new();
        other.joins("PA_1", true).leaves("PA_1", true);
        other.rows.session("PA_1").unwrap().clone()
    };
    fixture.rows = Rows::new([left.clone()], fixture.rows.instances().cloned());
    fixture.audited();
    assert_eq!(fixture.rows.session("PA_1"), Some(&left));
}

#[test]
fn somebody_inside_without_an_open_row_gets_one() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", false).joins("PA_2", true);
    let joined_at = 1_000_000;
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert_eq!(fixture.open(), ["PA_1", "PA_2"]);
    let row = fixture.rows.session("PA_1").unwrap();
    assert_eq!((row.joined_at, row.joined_told_by), (joined_at, ToldBy::Comparison));
    assert_eq!(row.instance.as_deref(), Some("RM_1"));

    let mut closed = fixture.rows.session("PA_2").unwrap().clone();
    closed.left_at = Some(closed.joined_at);
    closed.left_why = Some(LeftWhy::Concluded);
    fixture.rows = Rows::new([row.clone(), closed], fixture.rows.instances().cloned());
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert_eq!(fixture.open(), ["PA_1", "PA_2"]);
}

#[test]
fn what_the_room_says_afterwards_is_newer_than_a_correction() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", false);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    fixture.leaves("PA_1", true);
    let row = fixture.rows.session("PA_1").unwrap();
    assert_eq!((row.left_at, row.left_why), (Some(fixture.now), Some(LeftWhy::Said)));
}

#[test]
fn of_a_room_that_the_store_has_forgotten_nothing_stays_open() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).joins("PA_2", true);
    fixture.room = None;
    assert_eq!(fixture.audited(), 0);
    let first = fixture.now;
    assert_eq!(fixture.audited(), 3);
    assert_eq!(fixture.open(), [""; 0]);
    let life = fixture.rows.instance("RM_1").unwrap();
    assert_eq!((life.finished_at, life.exact), (Some(first), false));
}

#[test]
fn a_session_ends_at_the_latest_with_its_life_of_the_room() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).leaves("PA_1", false);
    fixture.step(EventKind::Room(RoomLifecycle::Finished), true);
    let ended = fixture.now;
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert_eq!(fixture.rows.session("PA_1").unwrap().left_at, Some(ended));
}

#[test]
fn nothing_is_corrected_before_the_room_is_known_to_be_right() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).leaves("PA_1", false);
    fixture.is_settled = false;
    assert_eq!([fixture.audited(), fixture.audited(), fixture.audited()], [0, 0, 0]);
    fixture.is_settled = true;
    // The session, and its life of the room.
    assert_eq!([fixture.audited(), fixture.audited()], [2, 0]);
}

#[test]
fn a_correction_that_the_history_does_not_want_is_not_made_again() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", false);
    let written = fixture.rows.clone();
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    // The database knows that she was erased.
    fixture.rows = written;
    assert_eq!([fixture.audited(), fixture.audited()], [0, 0]);
}

/// A room of which a store that was restarted knows by a comparison only, and not in which life it is.
fn filled_by_a_comparison(fixture: &mut Fixture) {
    let mut room = Room::default();
    std::mem::swap(fixture.room.as_mut().expect("the store holds it"), &mut room);
    let sids: Vec<_> = room.list().iter().map(|one| one.sid.to_string()).collect();
    for sid in sids {
        fixture.joins_life(&sid, None, false);
    }
    assert_eq!(fixture.room.as_ref().and_then(Room::sid), None);
}

#[test]
fn a_life_goes_on_while_somebody_is_inside_and_nobody_says_in_which_life() {
    let mut fixture = Fixture::new();
    fixture.step(EventKind::Room(RoomLifecycle::Started), true);
    fixture.joins("PA_1", true);
    filled_by_a_comparison(&mut fixture);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 0]);
    assert_eq!(fixture.rows.instance("RM_1").unwrap().finished_at, None);
    fixture.leaves("PA_1", true);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert!(!fixture.rows.instance("RM_1").unwrap().is_open());
}

#[test]
fn a_life_that_seems_to_have_ended_goes_on_if_somebody_is_in_it() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true);
    let mut ended = fixture.rows.instance("RM_1").unwrap().clone();
    ended.finished_at = Some(fixture.now);
    ended.finished_told_by = Some(ToldBy::Comparison);
    fixture.rows = Rows::new(fixture.rows.sessions().cloned(), [ended]);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert_eq!(fixture.rows.instance("RM_1").unwrap().finished_at, None);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 0]);
}

#[test]
fn somebody_who_was_missed_left_before_this_process_started_and_before_they_joined_again() {
    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true).joins("PA_2", true).joins("PA_3", true);
    let last_told = fixture.now;
    fixture.room = Some(Room::default());
    fixture.now += 15 * 60 * MINUTE;
    fixture.joins("PA_3", false);
    fixture.started_after = Some(last_told);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 2]);
    assert_eq!(fixture.open(), ["PA_3"]);
    assert_eq!(fixture.rows.session("PA_1").unwrap().left_at, Some(last_told));

    let mut fixture = Fixture::new();
    fixture.joins("PA_1", true);
    fixture.room = Some(Room::default());
    let joined_again = fixture.now;
    fixture.joins("PA_1b", true);
    assert_eq!([fixture.audited(), fixture.audited()], [0, 1]);
    assert_eq!(fixture.rows.session("PA_1").unwrap().left_at, Some(joined_again));
}
