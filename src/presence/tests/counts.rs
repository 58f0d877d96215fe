//! The counts of a room, and since when it is open.

use super::{slice::Kept, *};

fn counts(people: usize, agents: usize, publishers: usize) -> Counts {
    Counts { people, agents, publishers }
}

/// A room with Alice, who publishes, Bob, and an agent that publishes.
fn with_an_agent() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(10).joined(session("alice", "PA_1", 10).with_track("TR_1"));
    fixture.at(11).joined(session("bob", "PA_2", 11));
    fixture.at(12).joined(session("helper", "PA_3", 12).kind("AGENT").with_track("TR_3"));
    fixture
}

/// The rows as a release has written them that knew only the number of participants.
fn kept_by_an_older_release(fixture: &Fixture) -> Kept {
    let mut kept = Kept::of(fixture);
    let mut room: serde_json::Value = serde_json::from_str(&kept.room).unwrap();
    room.as_object_mut().unwrap().remove("counts").expect("this release has written it");
    kept.room = room.to_string();
    kept
}

#[test]
fn agents_are_no_people_and_only_people_are_publishers() {
    let mut fixture = with_an_agent();
    assert_eq!(fixture.room.counts(), counts(2, 1, 1));
    fixture.at(20).published("PA_2", "TR_2");
    assert_eq!(fixture.room.counts(), counts(2, 1, 2));
    fixture.at(21).unpublished("PA_1", "TR_1");
    assert_eq!(fixture.room.counts(), counts(2, 1, 1));
    fixture.at(22).left("PA_3");
    assert_eq!(fixture.room.counts(), counts(2, 0, 1));
}

#[test]
fn hidden_ones_recorders_and_egress_are_not_counted() {
    let mut fixture = with_an_agent();
    fixture.at(20).joined(session("spy", "PA_4", 20).hidden().with_track("TR_4"));
    fixture.joined(session("recorder", "PA_5", 20).recorder());
    fixture.joined(session("egress", "PA_6", 20).kind("EGRESS"));
    assert_eq!(fixture.room.counts(), counts(2, 1, 1));
    fixture.at(30).reconciled(30, vec![session("spy", "PA_4", 20).version(3).with_track("TR_4")]);
    assert_eq!(fixture.room.counts(), counts(3, 1, 2), "no longer hidden");
}

#[test]
fn all_kinds_that_are_no_agents_are_people() {
    let mut fixture = Fixture::new();
    for (number, kind) in ["STANDARD", "SIP", "INGRESS", "CONNECTOR", "ROBOT"].iter().enumerate() {
        fixture.joined(session(kind, &format!("PA_{number}"), 0).kind(kind));
    }
    assert_eq!(fixture.room.counts(), counts(5, 0, 0));
}

#[test]
fn a_part_of_a_room_counts_everybody() {
    let fixture = with_an_agent();
    let kept = Kept::of(&fixture);
    assert_eq!(kept.slice(&[]).counts(), counts(2, 1, 1));
    assert_eq!(kept.everybody().counts(), counts(2, 1, 1));
}

#[test]
fn after_an_older_release_has_written_the_row_an_event_has_a_small_room_counted() {
    let mut fixture = with_an_agent();
    let kept = kept_by_an_older_release(&fixture);
    assert_eq!(kept.slice(&[]).counts(), counts(3, 0, 0), "all of them are taken for people");
    let mut event = fixture
        .at(30)
        .event(EventKind::Left { sid: ParticipantSid::new("PA_3"), was_active: true });
    event.identity = Some(Identity::new("helper"));
    let needs = kept.slice(&["helper"]).apply(&event, fixture.now, &fixture.rules).unwrap_err();
    assert_eq!(needs, Needs::Everybody);
    let mut slice = kept.everybody();
    slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(slice.counts(), counts(2, 0, 1));
    let row: RoomRow = serde_json::from_str(&serde_json::to_string(&slice.row()).unwrap()).unwrap();
    assert_eq!(RoomSlice::new(Some(row)).counts(), counts(2, 0, 1), "from now on it is known");
}

#[test]
fn a_large_room_of_an_older_release_is_counted_by_its_comparison_and_not_by_an_event() {
    let mut fixture = with_an_agent();
    for number in 0..400 {
        fixture.at(20).joined(session(&format!("user-{number}"), &format!("PA_u{number}"), 20));
    }
    let kept = kept_by_an_older_release(&fixture);
    let mut slice = kept.slice(&["helper"]);
    let mut event = fixture
        .at(30)
        .event(EventKind::Left { sid: ParticipantSid::new("PA_3"), was_active: true });
    event.identity = Some(Identity::new("helper"));
    slice.apply(&event, fixture.now, &fixture.rules).unwrap();
    assert_eq!(slice.counts(), counts(402, 0, 0));
    assert!(serde_json::to_value(slice.row()).unwrap().get("counts").is_none());

    let listing = Listing { asked_at: fixture.now, sessions: Vec::new() };
    let repairs =
        Repairs { steps: Vec::new(), ..plan(&fixture.room, &listing, &[], &fixture.rules) };
    let needs = kept.slice(&[]).repair(&repairs, Some(&[]), fixture.now, &fixture.rules);
    assert_eq!(needs.unwrap_err(), Needs::Everybody);
    let mut slice = kept.everybody();
    slice.repair(&repairs, Some(&[]), fixture.now, &fixture.rules).unwrap();
    assert_eq!(slice.counts(), counts(402, 1, 1));
}

#[test]
fn whoever_has_the_agent_grant_is_an_agent() {
    let mut fixture = with_an_agent();
    fixture.at(20).reconciled(20, vec![session("bob", "PA_2", 11).version(3).agent()]);
    assert_eq!(fixture.room.counts(), counts(1, 2, 1), "he was given it in silence");
}

#[test]
fn a_room_is_recorded_while_a_recorder_or_egress_is_inside() {
    let mut fixture = with_an_agent();
    assert_eq!(fixture.room.has_recorder(), Some(false));
    fixture.at(20).joined(session("egress", "PA_8", 20).kind("EGRESS"));
    fixture.joined(session("recorder", "PA_9", 20).recorder());
    assert_eq!(Kept::of(&fixture).slice(&[]).has_recorder(), Some(true));
    fixture.at(30).left("PA_8");
    assert_eq!(fixture.room.has_recorder(), Some(true));
    fixture.left("PA_9");
    assert_eq!(fixture.room.has_recorder(), Some(false));
}

#[test]
fn whether_a_room_is_recorded_is_not_known_while_an_older_release_has_written_its_row() {
    let mut fixture = with_an_agent();
    fixture.at(20).joined(session("egress", "PA_8", 20).kind("EGRESS"));
    let kept = kept_by_an_older_release(&fixture);
    assert_eq!(kept.slice(&[]).has_recorder(), None);
    assert_eq!(kept.everybody().has_recorder(), Some(true));
}

#[test]
fn a_recorder_whom_an_older_release_has_kept_without_saying_so_is_found_by_a_comparison() {
    let mut fixture = with_an_agent();
    fixture.at(20).joined(session("recorder", "PA_9", 20).recorder());
    let sid = ParticipantSid::new("PA_9");
    Arc::make_mut(&mut fixture.room.sessions).get_mut(&sid).unwrap().recorder = false;
    fixture.room.recount();
    assert_eq!(fixture.room.has_recorder(), Some(false));
    fixture.at(40).reconciled(40, vec![session("recorder", "PA_9", 20).recorder()]);
    assert_eq!(fixture.room.has_recorder(), Some(true));
}

#[test]
fn a_room_is_open_since_livekit_made_it_or_else_since_its_start() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.room.started_at(), None);
    fixture.started();
    let start = LiveKitTime::from_secs(LIVEKIT_EPOCH);
    assert_eq!(fixture.room.started_at(), Some(start));
    let made = LiveKitTime::from_millis(LIVEKIT_EPOCH * 1000 + 123);
    let mut event = fixture.event(EventKind::Joined(session("alice", "PA_1", 0).0));
    event.room_created_at = Some(made);
    fixture.apply(&event);
    assert_eq!(fixture.room.started_at(), Some(made));
    fixture.at(1).joined(session("bob", "PA_2", 1));
    assert_eq!(fixture.room.started_at(), Some(made), "it is the same opening");
    assert_eq!(Kept::of(&fixture).slice(&[]).started_at(), Some(made));
    fixture.at(10).finished();
    assert_eq!(fixture.room.started_at(), None);
}

#[test]
fn an_opening_whose_start_was_missed_is_not_taken_for_the_one_before() {
    let mut fixture = Fixture::new();
    let mut start = fixture.event(EventKind::Room(RoomLifecycle::Started));
    start.room_created_at = Some(LiveKitTime::from_secs(LIVEKIT_EPOCH));
    fixture.apply(&start);
    fixture.at(10).finished();
    let mut join = fixture.at(100).event(EventKind::Joined(session("alice", "PA_1", 100).0));
    join.room_sid = Some(RoomSid::new("RM_2"));
    fixture.apply(&join);
    assert_eq!(fixture.room.started_at(), None);
}
