//! The rules on a part of a room: which rows they need, and what rows keep.

use super::*;

/// The rows that a store would keep of a room.
pub(super) struct Kept {
    pub room: String,
    persons: BTreeMap<String, String>,
}

impl Kept {
    /// The rows after the events of a fixture.
    pub fn of(fixture: &Fixture) -> Self {
        let mut slice = RoomSlice::new(None);
        for (now, event) in &fixture.events {
            let touched = slice.apply(event, *now, &fixture.rules).unwrap().touched;
            assert!(touched.len() <= 1 || event.sid().is_none());
        }
        let persons = fixture.room.sids_of.keys().map(|identity| {
            let row = slice.person_row(identity);
            (identity.to_string(), serde_json::to_string(&row).unwrap())
        });
        Self { room: serde_json::to_string(&slice.row()).unwrap(), persons: persons.collect() }
    }

    /// A slice with the rows of these people.
    pub fn slice(&self, identities: &[&str]) -> RoomSlice {
        let mut slice = RoomSlice::new(Some(serde_json::from_str(&self.room).unwrap()));
        for identity in identities {
            let row = self.persons.get(*identity).map(|row| serde_json::from_str(row).unwrap());
            slice.load(&Identity::new(*identity), row);
        }
        slice
    }

    pub fn everybody(&self) -> RoomSlice {
        let mut slice = self.slice(&self.persons.keys().map(String::as_str).collect::<Vec<_>>());
        slice.loaded_everybody();
        slice
    }
}

/// A room with Alice and Bob, who joined 10 and 20 s after its start.
fn two_inside() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(10).joined(session("alice", "PA_1", 10).named("Alice").with_track("TR_1"));
    fixture.at(20).joined(session("bob", "PA_2", 20));
    fixture
}

#[test]
fn one_persons_row_is_enough_for_an_event_about_one_person() {
    let mut fixture = two_inside();
    let kept = Kept::of(&fixture);
    let mut slice = kept.slice(&["bob"]);
    let mut event = fixture
        .at(30)
        .event(EventKind::Left { sid: ParticipantSid::new("PA_2"), was_active: true });
    event.identity = Some(Identity::new("bob"));
    let step = slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(step.touched, [Identity::new("bob")]);
    assert_eq!(step.outcome, fixture.apply(&event));
    assert_eq!((slice.counts().participants(), slice.version()), (1, fixture.room.version()));
    assert!(slice.into_room(fixture.now).is_none(), "a part of a room has no list");
}

#[test]
fn a_row_that_is_not_held_is_named() {
    let mut fixture = two_inside();
    let mut slice = Kept::of(&fixture).slice(&["bob"]);
    let event = fixture.at(30).event(EventKind::Joined(session("carol", "PA_3", 30).0));
    let needs = slice.apply(&event, fixture.now, &fixture.rules).unwrap_err();
    assert_eq!(needs, Needs::Person(Identity::new("carol")));
    slice.load(&Identity::new("carol"), None);
    assert!(slice.apply(&event, fixture.now, &fixture.rules).is_ok());
    assert_eq!(slice.counts().participants(), 3);
}

#[test]
fn a_start_or_an_end_in_which_nobody_goes_needs_nobody() {
    let mut fixture = two_inside();
    let mut slice = Kept::of(&fixture).slice(&[]);
    let mut late_end = fixture.at(40).event(EventKind::Room(RoomLifecycle::Finished));
    late_end.room_sid = Some(RoomSid::new("RM_0"));
    let start = fixture.at(41).event(EventKind::Room(RoomLifecycle::Started));
    let early_start = Event { created_at: LiveKitTime::from_secs(LIVEKIT_EPOCH + 11), ..start };
    for event in [late_end, early_start] {
        let step = slice.apply(&event, fixture.now, &fixture.rules).unwrap();
        assert_eq!((step.outcome, step.touched), (fixture.apply(&event), Vec::new()));
    }
    assert_eq!(slice.counts().participants(), 2);
    assert_eq!(slice.row().epoch, fixture.room.epoch());
}

#[test]
fn a_start_or_an_end_in_which_somebody_goes_needs_everybody() {
    for lifecycle in [RoomLifecycle::Started, RoomLifecycle::Finished] {
        let mut fixture = two_inside();
        let kept = Kept::of(&fixture);
        let event = fixture.at(60).event(EventKind::Room(lifecycle));
        let mut slice = kept.slice(&["alice"]);
        let needs = slice.apply(&event, fixture.now, &fixture.rules).unwrap_err();
        assert_eq!(needs, Needs::Everybody);
        assert_eq!(slice.counts().participants(), 2, "nothing was changed");
        let mut slice = kept.everybody();
        let step = slice.apply(&event, fixture.now, &fixture.rules).unwrap();
        assert_eq!(step.outcome, fixture.apply(&event));
        assert_eq!(step.touched, [Identity::new("alice"), Identity::new("bob")]);
        assert_eq!(slice.into_room(fixture.now).unwrap().list(), fixture.room.list());
    }
}

#[test]
fn the_end_of_an_empty_room_is_told_from_its_own_row() {
    let mut fixture = two_inside();
    fixture.at(30).left("PA_1");
    fixture.at(31).left("PA_2");
    let mut slice = Kept::of(&fixture).slice(&[]);
    let event = fixture.at(40).event(EventKind::Room(RoomLifecycle::Finished));
    let step = slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(step.outcome, fixture.apply(&event));
    assert!(!slice.is_active());
}

#[test]
fn an_event_that_names_no_identity_needs_everybody_and_finds_whom_it_is_about() {
    let mut fixture = two_inside();
    let kept = Kept::of(&fixture);
    let event = fixture
        .at(30)
        .event(EventKind::Left { sid: ParticipantSid::new("PA_1"), was_active: true });
    let needs = kept.slice(&["alice"]).apply(&event, fixture.now, &fixture.rules).unwrap_err();
    assert_eq!(needs, Needs::Everybody);
    let step = kept.everybody().apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(step.touched, [Identity::new("alice")]);
    assert_eq!(step.outcome, fixture.apply(&event));
}

#[test]
fn an_event_about_an_unknown_session_is_remembered_in_the_rooms_own_row() {
    let mut fixture = two_inside();
    let mut slice = Kept::of(&fixture).everybody();
    let left = fixture
        .at(30)
        .event(EventKind::Left { sid: ParticipantSid::new("PA_9"), was_active: true });
    let step = slice.apply(&left, fixture.now, &fixture.rules).unwrap();
    assert_eq!((step.outcome, step.touched), (Applied::Unexpected, Vec::new()));
    let row = serde_json::to_string(&slice.row()).unwrap();
    let mut slice = RoomSlice::new(Some(serde_json::from_str(&row).unwrap()));
    slice.loaded_everybody();
    let again = slice.apply(&left, fixture.now, &fixture.rules).unwrap().outcome;
    assert_eq!(again, Applied::Duplicate);
    let late = fixture.at(31).event(EventKind::Joined(session("ida", "PA_9", 29).0));
    let late = slice.apply(&late, fixture.now, &fixture.rules).unwrap().outcome;
    assert_eq!(late, Applied::Unchanged, "the session is gone already");
}

#[test]
fn a_person_of_whom_nothing_needs_to_be_remembered_has_no_row() {
    let fixture = two_inside();
    let row = Kept::of(&fixture).slice(&["nobody"]).person_row(&Identity::new("nobody"));
    assert!(row.is_empty());
}

#[test]
fn a_rows_ids_of_events_are_bounded() {
    let mut fixture = two_inside();
    let mut slice = Kept::of(&fixture).slice(&["alice"]);
    for number in 0..500 {
        let kind = EventKind::TrackPublished {
            sid: ParticipantSid::new("PA_1"),
            track: track(&format!("TR_{}", number % 3)),
        };
        let mut event = fixture.at(30).event(kind);
        event.identity = Some(Identity::new("alice"));
        slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    }
    assert_eq!(slice.person_row(&Identity::new("alice")).events.len(), MAX_EVENT_IDS);
}

// An earlier build writes the fields of a row in another order.
#[test]
fn a_rooms_row_that_an_earlier_build_has_written_is_read_and_has_the_same_fields() {
    for row in [
        r#"{"format":1,"version":9000000040000000,"sid":"RM_1","epoch":1,"isWhole":true,"isTorn":false,"opening":"open","trustedUntil":9000000100000000,"visible":1,"inside":{"openings":[{"sid":"RM_1","count":1,"oldest":1700000010000}]},"keptUntil":0}"#,
        r#"{"format":1,"version":9000000040000000,"epoch":1,"isWhole":true,"isTorn":true,"opening":"open","trustedUntil":9000000100000000,"visible":0,"inside":{},"keptUntil":7}"#,
    ] {
        let slice = RoomSlice::new(Some(serde_json::from_str(row).unwrap()));
        let until = Fixture::time(100);
        assert_eq!(slice.completeness(), Completeness::Complete { until });
        let json = |row: &str| serde_json::from_str::<serde_json::Value>(row).unwrap();
        assert_eq!(json(&serde_json::to_string(&slice.row()).unwrap()), json(row));
    }
}

// Later versions must read these rows: another shape needs another `ROW_FORMAT`.
#[test]
fn rows_are_as_documented() {
    let mut fixture = two_inside();
    fixture.at(30).unpublished("PA_1", "TR_1");
    fixture.at(31).published("PA_1", "TR_2");
    fixture.at(40).left("PA_2");
    let kept = Kept::of(&fixture);
    assert_eq!(
        kept.room,
        r#"{"format":1,"version":9000000040000000,"sid":"RM_1","epoch":1,"isWhole":true,"isTorn":false,"trustedUntil":9000000100000000,"opening":"open","started":{"createdAt":1700000000000,"appliedAt":9000000000000000},"heardAt":9000000040000000,"visible":1,"counts":{"agents":0,"publishers":1},"inside":{"openings":[{"sid":"RM_1","count":1,"oldest":1700000010000}]},"nameless":{"format":1,"events":[["EV_1",9000000000000000]]},"keptUntil":0}"#
    );
    assert_eq!(
        kept.persons["alice"],
        r#"{"format":1,"sessions":[{"sid":"PA_1","joinedAt":1700000010000,"version":2,"profile":{"name":"Alice"},"tracks":{"published":[[{"sid":"TR_2","source":"MICROPHONE","type":"AUDIO","muted":false,"name":""},9000000031000000]],"removed":[["TR_1",9000000030000000]]},"opening":{"said":"RM_1"},"recordedAt":9000000010000000,"heardAt":9000000031000000,"life":{"aliveAt":9000000031000000}}],"events":[["EV_2",9000000010000000],["EV_4",9000000030000000],["EV_5",9000000031000000]]}"#
    );
}

/// Releases beside this one read and write these names.
#[test]
fn names_in_rows_stay_when_the_code_is_renamed() {
    assert_eq!(serde_json::to_string(&Standing::Evicted).unwrap(), r#""condemned""#);
    let kept = Kept::of(&two_inside()).room.replace(r#""visible""#, r#""condemnedAt":5,"visible""#);
    let row: RoomRow = serde_json::from_str(&kept).unwrap();
    assert_eq!(row.evicted_at, Some(StoreTime::from_micros(5)));
    assert_eq!(serde_json::to_string(&row).unwrap(), kept);
}
