//! The rules of the history, each with a test named after it.

use super::*;
use crate::{
    history::row::{InstanceRow, SessionRow},
    presence::{
        Closed, Identity, Left, LeftWhy, LiveKitTime, Media, Moment, Opened, ParticipantKind,
        ParticipantSid, Record, RoomName, RoomSid, Shown, Stay, ToldBy,
    },
    store::{HistoryItem, RoomOpening},
};

mod late;

const NOTHING: Media = Media { microphone: false, camera: false, screen: false };
const MICROPHONE: Media = Media { microphone: true, ..NOTHING };
const BOTH: Media = Media { microphone: true, camera: true, ..NOTHING };

/// Rows, and the sequence of the items that they are given.
struct Fixture {
    rows: Rows,
    seq: u64,
    opening: Option<RoomOpening>,
}

impl Default for Fixture {
    /// Items are made after everything that they tell.
    fn default() -> Self {
        Self { rows: Rows::default(), seq: 1_000_000_000, opening: None }
    }
}

impl Fixture {
    /// The items that follow were made at this time, and come late.
    fn made_at(&mut self, millis: u64) -> &mut Self {
        self.seq = millis * 1_000;
        self
    }

    fn add(&mut self, record: Record) -> &mut Self {
        self.seq += 1;
        let item = HistoryItem {
            room: RoomName::parse("general").unwrap(),
            seq: self.seq,
            opening: self.opening.clone(),
            records: vec![record],
        };
        self.rows.apply(&item);
        let before = format!("{:?}", self.rows);
        self.rows.apply(&item);
        assert_eq!(format!("{:?}", self.rows), before, "an item changes nothing again");
        self
    }

    /// The life of the room that is known from now on.
    fn in_life(&mut self, sid: &str, created_at: i64) -> &mut Self {
        let created_at = Some(LiveKitTime::from_millis(created_at));
        self.opening = Some(RoomOpening { sid: RoomSid::new(sid), created_at });
        self
    }

    fn shown(&mut self, media: Media, at: i64) -> &mut Self {
        self.add(shown("PA_1", 10, media, at))
    }

    fn left(&mut self, why: LeftWhy, at: i64) -> &mut Self {
        self.add(left("PA_1", 10, why, at))
    }

    fn opened(&mut self, sid: &str, created_at: i64) -> &mut Self {
        let created_at = LiveKitTime::from_millis(created_at);
        let at = LiveKitTime::from_secs(created_at.as_millis() / 1000);
        self.add(Record::Opened(Opened { sid: RoomSid::new(sid), created_at, at }))
    }

    fn closed(&mut self, sid: &str, at: i64, told_by: ToldBy) -> &mut Self {
        let exact = told_by == ToldBy::Webhook;
        let at = Moment { at: LiveKitTime::from_millis(at), exact };
        let reason = exact.then(|| "DELETED".to_owned());
        self.add(Record::Closed(Closed { sid: RoomSid::new(sid), at, reason, told_by }))
    }

    fn session(&self) -> &SessionRow {
        self.rows.session("PA_1").expect("it has a row")
    }

    fn instance(&self, sid: &str) -> &InstanceRow {
        self.rows.instance(sid).expect("it has a row")
    }

    /// Its spans inside, and those of its microphone, as text.
    fn spans(&self) -> String {
        let spans = &self.session().spans;
        serde_json::to_string(&(&spans.inside, &spans.microphone)).unwrap()
    }
}

fn stay(sid: &str, joined_at: i64) -> Stay {
    Stay {
        sid: ParticipantSid::new(sid),
        identity: Identity::new("alice"),
        room_sid: None,
        joined_at: LiveKitTime::from_millis(joined_at),
        name: "Alice".to_owned(),
        kind: ParticipantKind::Standard,
        agent: false,
        metadata: None,
    }
}

fn shown(sid: &str, joined_at: i64, media: Media, at: i64) -> Record {
    let stay = stay(sid, joined_at);
    let (since, at) = (stay.joined_at, LiveKitTime::from_millis(at));
    Record::Shown(Shown { stay, since, is_revealed: false, media, at, told_by: ToldBy::Webhook })
}

fn revealed(media: Media, at: i64) -> Record {
    let at = LiveKitTime::from_millis(at);
    let told_by = ToldBy::Comparison;
    Record::Shown(Shown {
        stay: stay("PA_1", 10),
        since: at,
        is_revealed: true,
        media,
        at,
        told_by,
    })
}

fn left(sid: &str, joined_at: i64, why: LeftWhy, at: i64) -> Record {
    let is_said = why == LeftWhy::Said;
    Record::Left(Left {
        stay: stay(sid, joined_at),
        at: Moment { at: LiveKitTime::from_millis(at), exact: is_said },
        reason: is_said.then(|| "CLIENT_INITIATED".to_owned()),
        why,
        told_by: if is_said { ToldBy::Webhook } else { ToldBy::Comparison },
    })
}

#[test]
fn a_session_is_inside_from_its_join_to_its_leave_and_sends_what_it_is_shown_with() {
    let mut fixture = Fixture::default();
    fixture.shown(NOTHING, 12).shown(MICROPHONE, 20).shown(BOTH, 25).shown(BOTH, 28);
    assert!(fixture.session().is_open());
    fixture.shown(NOTHING, 30).shown(MICROPHONE, 40).left(LeftWhy::Said, 50);
    assert_eq!(fixture.spans(), "[[[10,50]],[[20,30],[40,50]]]");
    assert_eq!(serde_json::to_string(&fixture.session().spans.camera).unwrap(), "[[25,30]]");
    let row = fixture.session();
    assert_eq!((row.joined_at, row.left_at, row.exact), (10, Some(50), true));
    assert_eq!(row.reason.as_deref(), Some("CLIENT_INITIATED"));
    assert_eq!(row.left_told_by, Some(ToldBy::Webhook));
}

#[test]
fn a_leave_whose_join_was_lost_makes_an_interval_from_the_join() {
    let mut fixture = Fixture::default();
    fixture.left(LeftWhy::Said, 50);
    assert_eq!(fixture.spans(), "[[[10,50]],[]]");
    assert_eq!(fixture.session().joined_told_by, ToldBy::Webhook);
}

#[test]
fn no_session_ends_before_it_begins() {
    let mut fixture = Fixture::default();
    fixture.shown(MICROPHONE, 12).left(LeftWhy::Said, 5);
    assert_eq!(fixture.spans(), "[[[10,10]],[]]");
}

#[test]
fn a_leave_that_was_said_is_better_than_one_that_was_concluded_and_nothing_else_is() {
    for (said, expected) in
        [(60, "[[[10,60]],[[12,60]]]"), (20, "[[[10,20]],[[12,20]]]"), (11, "[[[10,11]],[]]")]
    {
        let mut fixture = Fixture::default();
        fixture.shown(MICROPHONE, 12).left(LeftWhy::Concluded, 30).left(LeftWhy::Said, said);
        assert_eq!(fixture.spans(), expected);
        assert!(fixture.session().exact);
        fixture.left(LeftWhy::Concluded, 99).left(LeftWhy::Said, 98).left(LeftWhy::Hidden, 97);
        assert_eq!(fixture.spans(), expected);
    }
    let mut fixture = Fixture::default();
    fixture.shown(NOTHING, 12).left(LeftWhy::Concluded, 30).left(LeftWhy::Concluded, 20);
    assert_eq!(fixture.spans(), "[[[10,30]],[]]");
    assert!(!fixture.session().exact);
}

#[test]
fn a_session_that_only_seemed_to_leave_goes_on_with_what_it_still_sends() {
    for why in [LeftWhy::Concluded, LeftWhy::Said] {
        let mut fixture = Fixture::default();
        fixture.shown(BOTH, 12).left(why, 30).shown(MICROPHONE, 40);
        assert_eq!(fixture.spans(), "[[[10,null]],[[12,null]]]");
        assert_eq!(serde_json::to_string(&fixture.session().spans.camera).unwrap(), "[[12,30]]");
        let row = fixture.session();
        assert_eq!((row.left_why, row.left_told_by, row.exact), (None, None, true));
        assert_eq!(row.reason, None);
    }
}

#[test]
fn a_session_that_was_hidden_has_only_the_intervals_in_which_it_was_visible() {
    let mut fixture = Fixture::default();
    fixture.shown(MICROPHONE, 12).left(LeftWhy::Hidden, 30).add(revealed(MICROPHONE, 40));
    assert_eq!(fixture.spans(), "[[[10,30],[40,null]],[[12,30],[40,null]]]");
    fixture.left(LeftWhy::Said, 35);
    assert_eq!(fixture.spans(), "[[[10,30],[40,40]],[[12,30]]]");
    assert_eq!(fixture.session().left_at, Some(40));
}

#[test]
fn a_session_that_is_revealed_before_anything_is_known_of_it_begins_then() {
    let mut fixture = Fixture::default();
    fixture.add(revealed(NOTHING, 40));
    assert_eq!(fixture.session().joined_at, 40);
}

#[test]
fn the_newest_name_counts_and_metadata_goes_when_it_is_no_longer_kept() {
    let mut fixture = Fixture::default();
    let describe = |name: &str, metadata: Option<&str>| {
        let mut record = shown("PA_1", 10, NOTHING, 12);
        if let Record::Shown(shown) = &mut record {
            shown.stay.name = name.to_owned();
            shown.stay.metadata = metadata.map(str::to_owned);
        }
        record
    };
    fixture.add(describe("Alice", Some("{}"))).add(describe("Alice B.", None));
    assert_eq!(fixture.session().name, "Alice B.");
    assert_eq!(fixture.session().metadata, None);
    assert_eq!(fixture.session().kind, "STANDARD");
}

#[test]
fn a_life_of_a_room_goes_from_its_earliest_start_to_its_end() {
    let mut fixture = Fixture::default();
    fixture.opened("RM_1", 5_000).opened("RM_1", 4_000).opened("RM_1", 6_000);
    assert_eq!(fixture.instance("RM_1").started_at, 4_000);
    fixture.closed("RM_1", 9_000, ToldBy::Webhook).closed("RM_1", 9_500, ToldBy::Webhook);
    let row = fixture.instance("RM_1");
    assert_eq!((row.finished_at, row.exact), (Some(9_000), true));
    assert_eq!(row.reason.as_deref(), Some("DELETED"));
}

#[test]
fn a_late_start_does_not_open_what_has_ended_and_one_after_a_crash_does() {
    let mut fixture = Fixture::default();
    fixture.closed("RM_1", 9_400, ToldBy::Webhook).opened("RM_1", 9_300);
    assert_eq!(fixture.instance("RM_1").finished_at, Some(9_400));
    assert_eq!(fixture.instance("RM_1").started_at, 9_300);

    let mut fixture = Fixture::default();
    fixture.opened("RM_1", 1_000).closed("RM_1", 9_400, ToldBy::Comparison);
    fixture.opened("RM_1", 9_900);
    assert_eq!(fixture.instance("RM_1").finished_at, None);
    fixture.closed("RM_1", 12_000, ToldBy::Comparison).closed("RM_1", 11_000, ToldBy::Webhook);
    let row = fixture.instance("RM_1");
    assert_eq!((row.finished_at, row.exact), (Some(11_000), true));
}

#[test]
fn another_life_of_the_room_ends_the_older_ones_and_none_that_is_newer() {
    let mut fixture = Fixture::default();
    fixture.opened("RM_1", 1_000).opened("RM_3", 3_000).opened("RM_2", 2_000);
    let ends =
        |fixture: &Fixture| ["RM_1", "RM_2", "RM_3"].map(|sid| fixture.instance(sid).finished_at);
    assert_eq!(ends(&fixture), [Some(3_000), Some(3_000), None]);
    assert!(!fixture.instance("RM_1").exact);
    fixture.closed("RM_1", 1_700, ToldBy::Webhook);
    assert_eq!(ends(&fixture), [Some(1_700), Some(3_000), None]);
}

#[test]
fn a_session_belongs_to_the_life_that_its_webhook_names_or_that_is_known_later() {
    let mut fixture = Fixture::default();
    fixture.add(shown("PA_1", 5_000, NOTHING, 5_100));
    assert_eq!(fixture.session().instance, None);
    fixture.add(left("PA_9", 1_000, LeftWhy::Said, 2_000));
    fixture.in_life("RM_1", 4_000).add(shown("PA_2", 6_000, NOTHING, 6_100));
    assert_eq!(fixture.session().instance.as_deref(), Some("RM_1"));
    assert_eq!(fixture.rows.session("PA_9").unwrap().instance, None, "it had left before");
    assert_eq!(fixture.instance("RM_1").started_at, 4_000);

    let mut named = shown("PA_1", 5_000, NOTHING, 6_200);
    if let Record::Shown(shown) = &mut named {
        shown.stay.room_sid = Some(RoomSid::new("RM_0"));
    }
    fixture.add(named);
    assert_eq!(fixture.session().instance.as_deref(), Some("RM_0"));
}

#[test]
fn a_life_that_started_after_somebody_joined_is_not_theirs() {
    let mut fixture = Fixture::default();
    fixture.add(shown("PA_1", 5_000, NOTHING, 5_100));
    fixture.in_life("RM_2", 60_000).add(shown("PA_2", 60_500, NOTHING, 60_600));
    assert_eq!(fixture.session().instance, None);
    let later = fixture.rows.session("PA_2").expect("it has a row");
    assert_eq!(later.instance.as_deref(), Some("RM_2"));
}

#[test]
fn a_life_that_begins_as_others_leave_does_not_begin_with_them() {
    let opening = Some(RoomOpening { sid: RoomSid::new("RM_2"), created_at: None });
    let mut fixture = Fixture { opening, ..Fixture::default() };
    fixture.left(LeftWhy::Concluded, 50);
    assert!(fixture.rows.instance("RM_2").is_none());
    fixture.opened("RM_2", 9_000);
    assert_eq!(fixture.instance("RM_2").started_at, 9_000);
}

#[test]
fn what_a_batch_touches_is_named_and_only_what_changed_is_saved() {
    let mut record = shown("PA_1", 10, NOTHING, 12);
    if let Record::Shown(shown) = &mut record {
        shown.stay.room_sid = Some(RoomSid::new("RM_1"));
    }
    let item = HistoryItem {
        room: RoomName::parse("general").unwrap(),
        seq: 7,
        opening: Some(RoomOpening { sid: RoomSid::new("RM_1"), created_at: None }),
        records: vec![record],
    };
    let keys = Rows::keys_of(std::slice::from_ref(&item));
    let sids = |set: std::collections::BTreeSet<String>| Vec::from_iter(set).join(",");
    assert_eq!(sids(keys.sids), "PA_1");
    assert_eq!(sids(keys.instances), "RM_1");
    assert_eq!(sids(keys.rooms), "general");

    let mut rows = Rows::default();
    rows.apply(&item);
    let Changed { sessions, instances } = rows.changed();
    assert_eq!((sessions[0].seq, instances[0].seq, instances[0].started_at), (7, 7, 10));
    let mut again = Rows::new(rows.sessions().cloned(), rows.instances().cloned());
    again.apply(&item);
    assert!(again.changed().sessions.is_empty() && again.changed().instances.is_empty());
}

#[test]
fn the_totals_of_a_life_count_identities_and_sessions_apart_and_no_agents() {
    let mut fixture = Fixture::default();
    let as_identity = |mut record: Record, identity: &str, agent: bool| {
        if let Record::Left(left) = &mut record {
            left.stay.identity = Identity::new(identity);
            left.stay.agent = agent;
            left.stay.room_sid = Some(RoomSid::new("RM_1"));
        }
        record
    };
    fixture.opened("RM_1", 1_000);
    for (sid, from, to, identity, agent) in [
        ("PA_1", 1_100, 5_000, "alice", false),
        ("PA_2", 4_000, 6_000, "alice", false),
        ("PA_3", 5_500, 7_000, "bob", false),
        ("PA_4", 1_100, 9_000, "agent", true),
    ] {
        let record = left(sid, from, LeftWhy::Said, to);
        fixture.add(as_identity(record, identity, agent));
    }
    fixture.closed("RM_1", 20_000, ToldBy::Comparison);
    let mut row = fixture.instance("RM_1").clone();
    let sessions: Vec<_> = fixture.rows.sessions().cloned().collect();
    row.sum_up(&sessions);
    let totals = row.totals.expect("it is summed up");
    assert_eq!((totals.people, totals.sessions, totals.peak), (2, 3, 2));
    assert_eq!(row.finished_at, Some(9_000), "nobody was inside later");
}
