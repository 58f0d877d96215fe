//! Rules 1 to 8: what webhooks alone do.

use super::*;

#[test]
fn an_event_is_applied_once_and_remembered_for_ten_minutes() {
    let mut stage = Stage::new();
    let joined = stage.event(EventKind::Joined(session("alice", "PA_1", 0).0));
    let left = stage.event(EventKind::Left { sid: ParticipantSid::new("PA_1"), was_active: true });
    assert!(matches!(stage.apply(&joined), Applied::Changed(_)));
    assert_eq!(stage.apply(&joined), Applied::Duplicate);
    stage.apply(&left);
    assert_eq!(stage.at(599).apply(&joined), Applied::Duplicate);
    assert_eq!(stage.at(601).apply(&joined), Applied::Unchanged, "forgotten, but PA_1 has left");
}

#[test]
fn an_event_without_an_id_is_applied_each_time() {
    let mut stage = Stage::new();
    let mut published = stage.event(EventKind::TrackPublished {
        sid: ParticipantSid::new("PA_1"),
        track: track("TR_1"),
    });
    published.id = None;
    assert!(matches!(stage.apply(&published), Applied::Changed(_)), "the room is new");
    assert_eq!(stage.apply(&published), Applied::Unexpected, "not a duplicate");
}

#[test]
fn a_join_after_the_leave_of_the_same_session_is_ignored() {
    let mut stage = Stage::new();
    stage.left("PA_1");
    assert_eq!(stage.joined(session("alice", "PA_1", 0)), Applied::Unchanged);
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn a_join_of_a_disconnected_session_is_ignored() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0).state(SessionState::Disconnected));
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn a_leave_removes_only_its_own_session() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_2", 5));
    stage.left("PA_1");
    assert_eq!(stage.list(), ["alice/PA_2"]);
}

#[test]
fn a_session_that_left_is_remembered_for_a_day() {
    let mut stage = Stage::new();
    stage.left("PA_1");
    stage.at(86_400).joined(session("alice", "PA_1", 0));
    assert_eq!(stage.list(), NOBODY);
    stage.at(86_402).joined(session("alice", "PA_1", 0));
    assert_eq!(stage.list(), ["alice/PA_1"]);
}

#[test]
fn a_newer_session_of_an_identity_ends_the_older_one_for_good() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 1));
    stage.joined(session("alice", "PA_2", 5));
    assert_eq!(stage.list(), ["alice/PA_2"]);
    stage.left("PA_2");
    stage.joined(session("alice", "PA_1", 1));
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn a_join_that_gives_a_known_session_another_identity_is_ignored() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0));
    stage.joined(session("bob", "PA_2", 0));
    assert_eq!(stage.joined(session("bob", "PA_1", 5).version(3)), Applied::Unchanged);
    assert_eq!(stage.list(), ["alice/PA_1", "bob/PA_2"]);
}

#[test]
fn a_session_does_not_end_itself_by_a_later_join_time() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 1).version(2));
    stage.joined(session("alice", "PA_1", 5).version(3));
    assert_eq!(stage.list(), ["alice/PA_1"]);
    assert_eq!(stage.room.list()[0].joined_at, LiveKitTime::from_secs(LIVEKIT_EPOCH + 5));
}

#[test]
fn an_older_session_that_arrives_late_is_over() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_2", 5));
    stage.published("PA_1", "TR_1");
    assert_eq!(stage.joined(session("alice", "PA_1", 1)), Applied::Unchanged);
    assert_eq!(stage.list(), ["alice/PA_2"]);
    stage.left("PA_2");
    assert_eq!(stage.list(), NOBODY, "LiveKit ended it before the newer one began");
    assert_eq!(stage.room.waiting.len(), 0);
    assert_eq!(stage.joined(session("alice", "PA_1", 1)), Applied::Unchanged);
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn tracks_come_and_go_with_their_webhooks_and_with_their_session() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0));
    stage.published("PA_1", "TR_2");
    stage.published("PA_1", "TR_1");
    assert_eq!(stage.list(), ["alice/PA_1[TR_1,TR_2]"]);
    stage.unpublished("PA_1", "TR_2");
    assert_eq!(stage.list(), ["alice/PA_1[TR_1]"]);
    stage.left("PA_1");
    stage.joined(session("alice", "PA_3", 9));
    assert_eq!(stage.list(), ["alice/PA_3"]);
}

#[test]
fn tracks_of_a_session_that_is_not_known_yet_wait_for_it_unseen() {
    let mut stage = Stage::new();
    stage.started();
    assert_eq!(stage.published("PA_1", "TR_1"), Applied::Unexpected);
    stage.published("PA_1", "TR_2");
    stage.unpublished("PA_1", "TR_2");
    stage.joined(session("alice", "PA_1", 0));
    assert_eq!(stage.list(), ["alice/PA_1[TR_1]"]);
}

#[test]
fn tracks_wait_ten_minutes_and_no_longer() {
    let mut stage = Stage::new();
    stage.published("PA_1", "TR_1");
    stage.at(601).joined(session("alice", "PA_1", 0));
    assert_eq!(stage.list(), ["alice/PA_1"]);
}

#[test]
fn a_track_that_was_unpublished_does_not_come_back_by_a_late_webhook() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0));
    stage.unpublished("PA_1", "TR_1");
    stage.published("PA_1", "TR_1");
    assert_eq!(stage.list(), ["alice/PA_1"]);
}

#[test]
fn a_track_of_a_session_that_left_is_dropped() {
    let mut stage = Stage::new();
    stage.left("PA_1");
    stage.published("PA_1", "TR_1");
    assert_eq!(stage.room.waiting.len(), 0);
}

#[test]
fn a_room_start_drops_who_joined_well_before_it_and_keeps_the_others() {
    let mut stage = Stage::new();
    stage.joined(session("ghost", "PA_1", 0));
    stage.joined(session("early", "PA_2", 98));
    stage.joined(session("late", "PA_3", 101));
    stage.at(100).started();
    assert_eq!(stage.list(), ["early/PA_2", "late/PA_3"]);
    stage.joined(session("ghost", "PA_1", 0));
    assert_eq!(stage.list(), ["early/PA_2", "late/PA_3"], "who was dropped is remembered");
}

#[test]
fn a_room_start_older_than_the_one_known_drops_nobody() {
    let mut stage = Stage::new();
    let older = stage.at(50).event(EventKind::Room(RoomLifecycle::Started));
    stage.at(100).started();
    stage.joined(session("alice", "PA_1", 40));
    stage.apply(&older);
    assert_eq!(stage.list(), ["alice/PA_1"]);
}

#[test]
fn a_room_start_makes_the_room_complete_unless_somebody_was_inside() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0));
    assert!(!stage.is_complete(), "it sprang up from a join");
    stage.at(10).started();
    assert!(!stage.is_complete(), "alice was dropped: the room may be split over two nodes");
    stage.at(20).started();
    assert!(stage.is_complete());
}

#[test]
fn a_room_finish_drops_who_was_recorded_under_its_sid_or_under_none() {
    let mut stage = Stage::new();
    let under = |stage: &mut Stage, who: Who, room_sid: Option<&str>| {
        let mut joined = stage.event(EventKind::Joined(who.0));
        joined.room_sid = room_sid.map(RoomSid::new);
        stage.apply(&joined);
    };
    under(&mut stage, session("alice", "PA_1", 0), Some("RM_1"));
    under(&mut stage, session("bob", "PA_2", 0), None);
    under(&mut stage, session("carol", "PA_3", 0), Some("RM_2"));
    stage.at(30).finished();
    assert_eq!(stage.list(), ["carol/PA_3"]);
}

#[test]
fn a_room_sid_is_used_again_so_a_finish_spares_who_joined_after_it() {
    let mut stage = Stage::new();
    let finished = stage.at(30).event(EventKind::Room(RoomLifecycle::Finished));
    stage.at(31).started();
    stage.joined(session("alice", "PA_1", 31));
    stage.apply(&finished);
    assert_eq!(stage.list(), ["alice/PA_1"]);
    assert!(stage.is_complete(), "the finish belongs to the opening before");
}

#[test]
fn a_finished_room_is_complete_and_empty_and_partial_when_somebody_springs_up_in_it() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 0));
    stage.left("PA_1");
    assert!(stage.room.is_active(), "open, with nobody inside");
    stage.at(20).finished();
    assert!(stage.is_complete() && !stage.room.is_active());
    stage.at(30).joined(session("bob", "PA_2", 30));
    assert!(!stage.is_complete(), "its start was missed, and perhaps others with it");
}

#[test]
fn hidden_participants_recorders_and_egress_never_appear() {
    let mut stage = Stage::new();
    stage.started();
    for unseen in [
        session("hidden", "PA_1", 0).hidden(),
        session("recorder", "PA_2", 0).recorder(),
        session("egress", "PA_3", 0).kind("EGRESS"),
    ] {
        assert_eq!(stage.joined(unseen), Applied::Unchanged);
    }
    stage.joined(session("agent", "PA_4", 0).kind("AGENT"));
    stage.joined(session("robot", "PA_5", 0).kind("ROBOT"));
    assert_eq!(stage.list(), ["agent/PA_4", "robot/PA_5"]);
}

#[test]
fn the_newest_session_is_picked_first_and_hidden_then() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_2", 5).hidden());
    stage.joined(session("alice", "PA_1", 1));
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn a_list_is_in_order_of_join_time_then_identity() {
    let mut stage = Stage::new();
    stage.joined(session("zoe", "PA_1", 1));
    stage.joined(session("bob", "PA_2", 2));
    stage.joined(session("alice", "PA_3", 2));
    stage.joined(session("first", "PA_4", 0));
    assert_eq!(stage.list(), ["first/PA_4", "zoe/PA_1", "alice/PA_3", "bob/PA_2"]);
}

#[test]
fn an_older_description_never_overwrites_a_newer_one() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0).version(5).named("new"));
    stage.joined(session("alice", "PA_1", 0).version(4).named("old"));
    assert_eq!(stage.room.list()[0].profile.name, "new");
    stage.joined(session("alice", "PA_1", 0).version(6).named("newest"));
    assert_eq!(stage.room.list()[0].profile.name, "newest");
}

#[test]
fn the_first_event_of_a_room_is_published_even_if_nobody_is_seen_to_change() {
    let mut stage = Stage::new();
    let Applied::Changed(change) = stage.left("PA_1") else { panic!("must be published") };
    assert_eq!(change.prev, Version::ZERO);
    assert_eq!(change.completeness, Completeness::Partial);
}

#[test]
fn a_leave_from_a_room_that_may_have_been_lost_has_everybody_read_it_again() {
    let mut stage = Stage::new();
    stage.joined(session("alice", "PA_1", 0));
    let version = stage.room.version();
    let Applied::Changed(change) = stage.left("PA_2") else { panic!("somebody may show it") };
    assert!(change.prev > version, "a hole in the versions");
    assert!(change.left.is_empty());
    let version = stage.room.version();
    assert_eq!(stage.left("PA_2"), Applied::Unchanged, "it is known to be gone");
    stage.reconciled(1, vec![session("alice", "PA_1", 0)]);
    assert!(stage.room.version() > version, "once, for those who show another list");
    let version = stage.room.version();
    assert_eq!(stage.left("PA_3"), Applied::Unexpected);
    stage.reconciled(2, vec![session("alice", "PA_1", 0)]);
    assert_eq!(stage.room.version(), version);
}

#[test]
fn what_nobody_sees_raises_no_version() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 0));
    let version = stage.room.version();
    stage.left("PA_9");
    stage.published("PA_8", "TR_1");
    stage.joined(session("bob", "PA_7", 0).hidden());
    assert_eq!(stage.room.version(), version);
}

#[test]
fn a_room_that_was_not_confirmed_for_long_is_partial_whatever_comes_next() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 0));
    stage.at(59);
    assert!(stage.is_complete());
    stage.at(3600);
    assert!(!stage.is_complete());
    assert_eq!(stage.list(), ["alice/PA_1"], "kept, not forgotten");
    stage.joined(session("bob", "PA_2", 3600));
    assert!(!stage.is_complete(), "an event confirms nothing about those who were there before");
}

#[test]
fn what_tells_of_somebody_missed_is_unexpected_and_the_end_of_what_never_began_is_not() {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 0));
    assert_eq!(stage.left("PA_2"), Applied::Unexpected);
    assert_eq!(stage.left("PA_2"), Applied::Unchanged, "by now it is known to be gone");
    assert_eq!(stage.published("PA_3", "TR_3"), Applied::Unexpected);
    assert_eq!(stage.unpublished("PA_4", "TR_4"), Applied::Unexpected);
    let aborted =
        stage.event(EventKind::Left { sid: ParticipantSid::new("PA_5"), was_active: false });
    assert_eq!(stage.apply(&aborted), Applied::Unchanged);
}
