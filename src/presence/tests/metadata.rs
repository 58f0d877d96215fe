//! The metadata of a room: which view of it is the newest, and what rows keep of it.

use super::{slice::Kept, *};

/// When LiveKit made the room object of a life, in seconds after the start of the test.
type Life = i64;

const FIRST: Life = 0;
const SECOND: Life = 100;

impl Fixture {
    /// A webhook that describes the room in full, as LiveKit made it `late` seconds ago.
    fn describing(&mut self, kind: EventKind, life: Life, metadata: &str, late: i64) -> Event {
        let event = self.event(kind);
        let created_at = LiveKitTime::from_secs(LIVEKIT_EPOCH + life);
        let room = RoomDetails {
            metadata: Some(metadata.to_owned()),
            creation_time: Some(created_at),
            ..RoomDetails::named(event.room.clone(), None)
        };
        Event {
            room_sid: Some(RoomSid::new(format!("RM_{life}"))),
            room_created_at: Some(created_at),
            created_at: event.created_at.plus_millis(-1000 * late),
            details: Arc::new(EventDetails { room: Some(room), ..EventDetails::default() }),
            ..event
        }
    }

    fn starts(&mut self, life: Life, metadata: &str) -> Applied {
        let event = self.describing(EventKind::Room(RoomLifecycle::Started), life, metadata, 0);
        self.apply(&event)
    }

    fn ends(&mut self, life: Life, metadata: &str) -> Applied {
        let event = self.describing(EventKind::Room(RoomLifecycle::Finished), life, metadata, 0);
        self.apply(&event)
    }

    /// A leave of a session that was never there, so that it only describes the room.
    fn hears(&mut self, life: Life, metadata: &str, late: i64) -> Applied {
        let sid = ParticipantSid::new(format!("PA_{}", self.next_event));
        let event =
            self.describing(EventKind::Left { sid, was_active: false }, life, metadata, late);
        self.apply(&event)
    }

    /// LiveKit, asked at `asked_at` seconds after the start, says so now.
    fn told(&mut self, asked_at: u64, life: Life, metadata: &str) -> MetadataTold {
        let version = self.room.version();
        let told = self.room.tell_metadata(&told(asked_at, life, metadata));
        assert_eq!(self.room.version(), version, "the list is the same");
        told
    }
}

fn told(asked_at: u64, life: Life, metadata: &str) -> ToldMetadata {
    ToldMetadata {
        created_at: Some(LiveKitTime::from_secs(LIVEKIT_EPOCH + life)),
        metadata: metadata.into(),
        asked_at: Fixture::time(asked_at),
    }
}

fn open() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.starts(FIRST, "old");
    fixture
}

#[test]
fn a_room_has_the_metadata_of_its_newest_webhook_whatever_that_is_about() {
    let mut fixture = open();
    assert_eq!(fixture.room.metadata(), Some("old"));
    assert_eq!(fixture.at(10).hears(FIRST, "new", 0), Applied::Unchanged);
    assert_eq!(fixture.room.metadata(), Some("new"));
    fixture.at(20).hears(FIRST, "", 0);
    assert_eq!(fixture.room.metadata(), Some(""));
}

#[test]
fn a_webhook_that_describes_the_room_in_short_says_nothing_of_its_metadata() {
    let mut fixture = open();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.at(11).published("PA_1", "TR_1");
    assert_eq!(fixture.room.metadata(), Some("old"));
    assert_eq!(Fixture::new().room.metadata(), None, "not known");
}

#[test]
fn a_late_webhook_does_not_undo_what_a_newer_one_said() {
    let mut fixture = open();
    fixture.at(10).hears(FIRST, "new", 0);
    fixture.at(12).hears(FIRST, "old", 5);
    assert_eq!(fixture.room.metadata(), Some("new"));
    fixture.at(13).hears(FIRST, "", 0);
    fixture.at(14).hears(FIRST, "new", 3);
    assert_eq!(fixture.room.metadata(), Some(""), "also where the newest has none");
}

#[test]
fn what_livekit_says_when_asked_wins_over_webhooks_that_were_heard_before() {
    let mut fixture = open();
    fixture.at(10).hears(FIRST, "new", 0);
    assert_eq!(fixture.at(11).told(11, FIRST, "newest"), MetadataTold::Changed);
    assert_eq!(fixture.room.metadata(), Some("newest"));
    assert_eq!(fixture.told(11, FIRST, "newest"), MetadataTold::Same);
}

#[test]
fn a_webhook_that_livekit_made_before_it_was_asked_does_not_undo_what_it_said() {
    let mut fixture = open();
    fixture.at(10).told(10, FIRST, "new");
    for (at, late) in [(11, 3), (20, 15), (40, 31)] {
        fixture.at(at).hears(FIRST, "old", late);
        assert_eq!(fixture.room.metadata(), Some("new"), "{late} s late");
    }
    fixture.at(41).hears(FIRST, "newest", 0);
    assert_eq!(fixture.room.metadata(), Some("newest"));
}

#[test]
fn an_answer_does_not_undo_a_webhook_that_was_heard_since_the_question() {
    let mut fixture = open();
    fixture.at(10).hears(FIRST, "new", 0);
    assert_eq!(fixture.at(11).told(9, FIRST, "old"), MetadataTold::Outdated);
    assert_eq!(fixture.room.metadata(), Some("new"));
    fixture.at(12).told(12, FIRST, "newest");
    assert_eq!(fixture.at(13).told(11, FIRST, "new"), MetadataTold::Outdated);
    assert_eq!(fixture.room.metadata(), Some("newest"));
}

#[test]
fn a_room_that_ends_has_no_metadata_and_its_late_webhooks_do_not_bring_it_back() {
    let mut fixture = open();
    let before = fixture.room.metadata_digest();
    fixture.at(10).ends(FIRST, "old");
    assert_eq!(fixture.room.metadata_unless(&before), Some(""));
    fixture.at(11).hears(FIRST, "old", 2);
    assert_eq!(fixture.at(12).told(12, FIRST, "old"), MetadataTold::Outdated);
    assert_eq!(fixture.room.metadata(), None);
}

#[test]
fn a_new_life_begins_with_the_metadata_of_its_own_webhook() {
    let mut fixture = open();
    fixture.at(10).hears(FIRST, "new", 0);
    fixture.at(90).ends(FIRST, "new");
    fixture.at(100).starts(SECOND, "");
    assert_eq!(fixture.room.metadata(), Some(""));
    fixture.at(101).hears(FIRST, "old", 0);
    assert_eq!(fixture.room.metadata(), Some(""), "it is about the life before");
    fixture.at(102).hears(SECOND, "second", 0);
    fixture.at(103).hears(FIRST, "old", 0);
    assert_eq!(fixture.at(104).told(104, FIRST, "old"), MetadataTold::Outdated);
    assert_eq!(fixture.room.metadata(), Some("second"));
}

#[test]
fn a_new_life_whose_beginning_and_whose_predecessors_end_were_missed_has_its_own_metadata() {
    let mut fixture = open();
    fixture.at(150).told(150, FIRST, "told");
    fixture.at(151).hears(SECOND, "second", 40);
    assert_eq!(fixture.room.metadata(), Some("second"), "lives are ordered by when they began");
}

#[test]
fn nothing_is_told_of_a_room_that_is_not_held() {
    let mut room = Room::default();
    assert_eq!(room.tell_metadata(&told(0, FIRST, "new")), MetadataTold::Outdated);
    assert_eq!((room.metadata(), room.version()), (None, Version::ZERO));
}

#[test]
fn a_room_that_a_comparison_or_a_moderator_has_closed_has_no_metadata() {
    let mut fixture = open();
    fixture.at(10).after_probe(Repair::Closed);
    assert_eq!(fixture.room.metadata(), None);
    let mut fixture = open();
    fixture.at(1).joined(session("alice", "PA_1", 1));
    fixture.at(90).compared(90, vec![], 91, ProbeAnswer::Gone);
    assert_eq!((fixture.room.is_active(), fixture.room.metadata()), (false, None));
}

#[test]
fn a_rooms_row_is_the_same_as_ever_where_it_has_no_metadata() {
    let mut fixture = Fixture::new();
    fixture.starts(FIRST, "");
    fixture.at(10).hears(FIRST, "", 0);
    assert_eq!(fixture.told(10, FIRST, ""), MetadataTold::Same);
    assert!(!Kept::of(&fixture).room.contains("metadata"), "{}", Kept::of(&fixture).room);
}

#[test]
fn a_rooms_row_has_a_digest_of_its_metadata_and_the_text_is_in_a_row_of_its_own() {
    let fixture = open();
    let mut slice = RoomSlice::new(None);
    slice.apply(&fixture.events[0].1, fixture.now, &fixture.rules).unwrap();
    let row = serde_json::to_string(&slice.row()).unwrap();
    let mark = r#""metadata":{"digest":"y6BrVzb69n5U","createdAt":1700000000000,"knownAt":9000000000000000,"reached":1700000000000}"#;
    assert!(row.contains(mark), "{row}");
    let written = slice.take_metadata_row().unwrap().unwrap();
    assert_eq!(serde_json::to_string(&written).unwrap(), r#"{"format":1,"metadata":"old"}"#);
    assert_eq!(slice.take_metadata_row(), None, "it is written");

    let read = || {
        let mut slice = RoomSlice::new(Some(serde_json::from_str(&row).unwrap()));
        slice.load_metadata(written.clone());
        slice
    };
    assert_eq!(read().as_held().metadata(), Some("old"));
    assert_eq!(read().take_metadata_row(), None);
}

#[test]
fn a_step_needs_the_text_neither_to_see_that_it_is_the_same_nor_to_replace_or_end_it() {
    let mut fixture = open();
    let kept = Kept::of(&fixture);
    let mut step = |life: Life, metadata: &str, is_end: bool| {
        let kind = if is_end {
            EventKind::Room(RoomLifecycle::Finished)
        } else {
            EventKind::Room(RoomLifecycle::Started)
        };
        let event = fixture.at(10).describing(kind, life, metadata, 0);
        let mut slice = kept.slice(&[]);
        slice.apply(&event, fixture.now, &fixture.rules).unwrap();
        slice.take_metadata_row().map(|row| row.map(|row| row.metadata.to_string()))
    };
    assert_eq!(step(FIRST, "old", false), None);
    assert_eq!(step(FIRST, "new", false), Some(Some("new".to_owned())));
    assert_eq!(step(FIRST, "", false), Some(None));
    assert_eq!(step(FIRST, "old", true), Some(None));
}

// As after a release that does not know the field has written the room's own row, and left the text where it was.
#[test]
fn a_text_of_which_the_rooms_own_row_does_not_tell_does_not_count() {
    let mut fixture = open();
    let mut row: serde_json::Value = serde_json::from_str(&Kept::of(&fixture).room).unwrap();
    row.as_object_mut().unwrap().remove("metadata").expect("this release has written it");
    let mut slice = RoomSlice::new(Some(serde_json::from_value(row).unwrap()));
    slice.load_metadata(MetadataRow { format: ROW_FORMAT, metadata: "stale".into() });
    assert_eq!(slice.as_held().metadata(), Some(""));
    let event = fixture.at(10).describing(EventKind::Room(RoomLifecycle::Started), FIRST, "new", 0);
    slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(slice.take_metadata_row().unwrap().unwrap().metadata.as_ref(), "new");
}
