//! Rules 1 to 8: what webhooks alone do.

use super::*;

#[test]
fn an_event_is_applied_once_and_remembered_for_ten_minutes() {
    let mut fixture = Fixture::new();
    let joined = fixture.event(EventKind::Joined(session("alice", "PA_1", 0).0));
    let left =
        fixture.event(EventKind::Left { sid: ParticipantSid::new("PA_1"), was_active: true });
    assert!(matches!(fixture.apply(&joined), Applied::Changed(_)));
    assert_eq!(fixture.apply(&joined), Applied::Duplicate);
    fixture.apply(&left);
    assert_eq!(fixture.at(599).apply(&joined), Applied::Duplicate);
    assert_eq!(fixture.at(601).apply(&joined), Applied::Unchanged, "forgotten, but PA_1 has left");
}

#[test]
fn an_event_without_an_id_is_applied_each_time() {
    let mut fixture = Fixture::new();
    let mut published = fixture.event(EventKind::TrackPublished {
        sid: ParticipantSid::new("PA_1"),
        track: track("TR_1"),
    });
    published.id = None;
    assert!(matches!(fixture.apply(&published), Applied::Changed(_)), "the room is new");
    assert_eq!(fixture.apply(&published), Applied::Unexpected, "not a duplicate");
}

#[test]
fn a_join_after_the_leave_of_the_same_session_is_ignored() {
    let mut fixture = Fixture::new();
    fixture.left("PA_1");
    assert_eq!(fixture.joined(session("alice", "PA_1", 0)), Applied::Unchanged);
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn a_join_of_a_disconnected_session_is_ignored() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0).state(SessionState::Disconnected));
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn a_leave_removes_only_its_own_session() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_2", 5));
    fixture.left("PA_1");
    assert_eq!(fixture.list(), ["alice/PA_2"]);
}

#[test]
fn a_session_that_left_is_remembered_for_a_day() {
    let mut fixture = Fixture::new();
    fixture.left("PA_1");
    fixture.at(86_400).joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.list(), NOBODY);
    fixture.at(86_402).joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn a_newer_session_of_an_identity_ends_the_older_one_for_good() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 1));
    fixture.joined(session("alice", "PA_2", 5));
    assert_eq!(fixture.list(), ["alice/PA_2"]);
    fixture.left("PA_2");
    fixture.joined(session("alice", "PA_1", 1));
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn a_join_that_gives_a_known_session_another_identity_is_ignored() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.joined(session("bob", "PA_2", 0));
    assert_eq!(fixture.joined(session("bob", "PA_1", 5).version(3)), Applied::Unchanged);
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2"]);
}

#[test]
fn a_session_does_not_end_itself_by_a_later_join_time() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 1).version(2));
    fixture.joined(session("alice", "PA_1", 5).version(3));
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert_eq!(fixture.room.list()[0].joined_at, LiveKitTime::from_secs(LIVEKIT_EPOCH + 5));
}

#[test]
fn an_older_session_that_arrives_late_is_over() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_2", 5));
    fixture.published("PA_1", "TR_1");
    assert_eq!(fixture.joined(session("alice", "PA_1", 1)), Applied::Unchanged);
    assert_eq!(fixture.list(), ["alice/PA_2"]);
    fixture.left("PA_2");
    assert_eq!(fixture.list(), NOBODY, "LiveKit ended it before the newer one began");
    assert_eq!(fixture.room.waiting.len(), 0);
    assert_eq!(fixture.joined(session("alice", "PA_1", 1)), Applied::Unchanged);
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn tracks_come_and_go_with_their_webhooks_and_with_their_session() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.published("PA_1", "TR_2");
    fixture.published("PA_1", "TR_1");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1,TR_2]"]);
    fixture.unpublished("PA_1", "TR_2");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
    fixture.left("PA_1");
    fixture.joined(session("alice", "PA_3", 9));
    assert_eq!(fixture.list(), ["alice/PA_3"]);
}

#[test]
fn tracks_of_a_session_that_is_not_known_yet_wait_for_it_unseen() {
    let mut fixture = Fixture::new();
    fixture.started();
    assert_eq!(fixture.published("PA_1", "TR_1"), Applied::Unexpected);
    fixture.published("PA_1", "TR_2");
    fixture.unpublished("PA_1", "TR_2");
    fixture.joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
}

#[test]
fn tracks_wait_ten_minutes_and_no_longer() {
    let mut fixture = Fixture::new();
    fixture.published("PA_1", "TR_1");
    fixture.at(601).joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn a_track_that_was_unpublished_does_not_come_back_by_a_late_webhook() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.unpublished("PA_1", "TR_1");
    fixture.published("PA_1", "TR_1");
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn a_track_of_a_session_that_left_is_dropped() {
    let mut fixture = Fixture::new();
    fixture.left("PA_1");
    fixture.published("PA_1", "TR_1");
    assert_eq!(fixture.room.waiting.len(), 0);
}

#[test]
fn a_room_start_drops_those_who_joined_well_before_it_and_keeps_the_others() {
    let mut fixture = Fixture::new();
    fixture.joined(session("ghost", "PA_1", 0));
    fixture.joined(session("early", "PA_2", 98));
    fixture.joined(session("late", "PA_3", 101));
    fixture.at(100).started();
    assert_eq!(fixture.list(), ["early/PA_2", "late/PA_3"]);
    fixture.joined(session("ghost", "PA_1", 0));
    assert_eq!(fixture.list(), ["early/PA_2", "late/PA_3"], "who was dropped is remembered");
}

#[test]
fn a_room_start_older_than_the_one_known_drops_nobody() {
    let mut fixture = Fixture::new();
    let older = fixture.at(50).event(EventKind::Room(RoomLifecycle::Started));
    fixture.at(100).started();
    fixture.joined(session("alice", "PA_1", 40));
    fixture.apply(&older);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn a_room_start_makes_the_room_complete_unless_somebody_was_inside() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    assert!(!fixture.is_complete(), "it sprang up from a join");
    fixture.at(10).started();
    assert!(!fixture.is_complete(), "alice was dropped: the room may be split over two nodes");
    fixture.at(20).started();
    assert!(fixture.is_complete());
}

#[test]
fn a_room_finish_drops_sessions_recorded_under_its_sid_or_under_none() {
    let mut fixture = Fixture::new();
    let under = |fixture: &mut Fixture, who: Who, room_sid: Option<&str>| {
        let mut joined = fixture.event(EventKind::Joined(who.0));
        joined.room_sid = room_sid.map(RoomSid::new);
        fixture.apply(&joined);
    };
    under(&mut fixture, session("alice", "PA_1", 0), Some("RM_1"));
    under(&mut fixture, session("bob", "PA_2", 0), None);
    under(&mut fixture, session("carol", "PA_3", 0), Some("RM_2"));
    fixture.at(30).finished();
    assert_eq!(fixture.list(), ["carol/PA_3"]);
}

#[test]
fn a_room_sid_is_used_again_so_a_finish_spares_those_who_joined_after_it() {
    let mut fixture = Fixture::new();
    let finished = fixture.at(30).event(EventKind::Room(RoomLifecycle::Finished));
    fixture.at(31).started();
    fixture.joined(session("alice", "PA_1", 31));
    fixture.apply(&finished);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert!(fixture.is_complete(), "the finish belongs to the opening before");
}

#[test]
fn a_finished_room_is_complete_and_empty_and_partial_when_somebody_springs_up_in_it() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.left("PA_1");
    assert!(fixture.room.is_active(), "open, with nobody inside");
    fixture.at(20).finished();
    assert!(fixture.is_complete() && !fixture.room.is_active());
    fixture.at(30).joined(session("bob", "PA_2", 30));
    assert!(!fixture.is_complete(), "its start was missed, and perhaps others with it");
}

#[test]
fn hidden_participants_recorders_and_egress_never_appear() {
    let mut fixture = Fixture::new();
    fixture.started();
    for unseen in [
        session("hidden", "PA_1", 0).hidden(),
        session("recorder", "PA_2", 0).recorder(),
        session("egress", "PA_3", 0).kind("EGRESS"),
    ] {
        assert_eq!(fixture.joined(unseen), Applied::Unchanged);
    }
    fixture.joined(session("agent", "PA_4", 0).kind("AGENT"));
    fixture.joined(session("robot", "PA_5", 0).kind("ROBOT"));
    assert_eq!(fixture.list(), ["agent/PA_4", "robot/PA_5"]);
}

#[test]
fn the_newest_session_is_picked_first_and_hidden_then() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_2", 5).hidden());
    fixture.joined(session("alice", "PA_1", 1));
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn a_list_is_in_order_of_join_time_then_identity() {
    let mut fixture = Fixture::new();
    fixture.joined(session("zoe", "PA_1", 1));
    fixture.joined(session("bob", "PA_2", 2));
    fixture.joined(session("alice", "PA_3", 2));
    fixture.joined(session("first", "PA_4", 0));
    assert_eq!(fixture.list(), ["first/PA_4", "zoe/PA_1", "alice/PA_3", "bob/PA_2"]);
}

#[test]
fn an_older_description_never_overwrites_a_newer_one() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0).version(5).named("new"));
    fixture.joined(session("alice", "PA_1", 0).version(4).named("old"));
    assert_eq!(fixture.room.list()[0].profile.name, "new");
    fixture.joined(session("alice", "PA_1", 0).version(6).named("newest"));
    assert_eq!(fixture.room.list()[0].profile.name, "newest");
}

#[test]
fn the_first_event_of_a_room_is_published_even_if_nobody_is_seen_to_change() {
    let mut fixture = Fixture::new();
    let Applied::Changed(change) = fixture.left("PA_1") else { panic!("must be published") };
    assert_eq!(change.prev, Version::ZERO);
    assert_eq!(change.completeness, Completeness::Partial);
}

#[test]
fn a_leave_from_a_room_that_may_have_been_lost_has_everybody_read_it_again() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    let version = fixture.room.version();
    let Applied::Changed(change) = fixture.left("PA_2") else { panic!("somebody may show it") };
    assert!(change.prev > version, "a hole in the versions");
    assert!(change.left.is_empty());
    let version = fixture.room.version();
    assert_eq!(fixture.left("PA_2"), Applied::Unchanged, "it is known to be gone");
    fixture.reconciled(1, vec![session("alice", "PA_1", 0)]);
    assert!(fixture.room.version() > version, "once, for those who show another list");
    let version = fixture.room.version();
    assert_eq!(fixture.left("PA_3"), Applied::Unexpected);
    fixture.reconciled(2, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.room.version(), version);
}

#[test]
fn changes_that_nobody_sees_raise_no_version() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    let version = fixture.room.version();
    fixture.left("PA_9");
    fixture.published("PA_8", "TR_1");
    fixture.joined(session("bob", "PA_7", 0).hidden());
    assert_eq!(fixture.room.version(), version);
}

#[test]
fn a_room_that_was_not_confirmed_for_long_is_partial_whatever_comes_next() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.at(59);
    assert!(fixture.is_complete());
    fixture.at(3600);
    assert!(!fixture.is_complete());
    assert_eq!(fixture.list(), ["alice/PA_1"], "kept, not forgotten");
    fixture.joined(session("bob", "PA_2", 3600));
    assert!(!fixture.is_complete(), "an event confirms nothing about those who were there before");
}

#[test]
fn a_sign_of_somebody_missed_is_unexpected_and_an_aborted_join_is_not() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.left("PA_2"), Applied::Unexpected);
    assert_eq!(fixture.left("PA_2"), Applied::Unchanged, "by now it is known to be gone");
    assert_eq!(fixture.published("PA_3", "TR_3"), Applied::Unexpected);
    assert_eq!(fixture.unpublished("PA_4", "TR_4"), Applied::Unexpected);
    let aborted =
        fixture.event(EventKind::Left { sid: ParticipantSid::new("PA_5"), was_active: false });
    assert_eq!(fixture.apply(&aborted), Applied::Unchanged);
}
