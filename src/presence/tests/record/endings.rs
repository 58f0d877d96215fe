//! When a stay ended that no webhook ended.

use super::*;

#[test]
fn a_session_is_replaced_when_the_newer_one_joins_and_its_own_late_leave_knows_better() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    noted.joined(1, session("bob", "PA_2", 1));
    assert_eq!(
        noted.joined(9, session("alice", "PA_3", 8)),
        [
            "left alice/PA_1 about 8.000, Concluded, Comparison",
            "shown alice/PA_3 in RM_1 since 8.000, seen 9.250, Webhook",
        ]
    );
    assert_eq!(
        noted.left(7, session("alice", "PA_1", 1)),
        ["left alice/PA_1 in RM_1 7.250, Said, Webhook CLIENT_INITIATED"]
    );
    // By a list, and by a session that nobody may see.
    assert_eq!(
        noted.compared(20, vec![session("alice", "PA_4", 18), session("bob", "PA_2", 1)]),
        [
            "left alice/PA_3 about 18.000, Concluded, Comparison",
            "shown alice/PA_4 in RM_1 since 18.000, seen store 21.000, Comparison",
        ]
    );
    assert_eq!(
        noted.joined(30, session("alice", "PA_5", 29).hidden()),
        ["left alice/PA_4 about 29.000, Concluded, Comparison"]
    );
}

#[test]
fn a_join_that_comes_after_that_of_the_newer_session_makes_a_stay_that_ended_with_it() {
    let mut noted = Noted::started();
    noted.joined(9, session("alice", "PA_2", 8));
    assert_eq!(
        noted.joined(5, session("alice", "PA_1", 4)),
        ["left alice/PA_1 in RM_1 about 8.000, Concluded, Comparison"]
    );
    let ended = session("bob", "PA_3", 5).state(SessionState::Disconnected);
    assert_eq!(
        noted.joined(9, ended),
        ["left bob/PA_3 in RM_1 about 9.250, Concluded, Comparison"]
    );
    assert!(noted.joined(9, session("alice", "PA_1", 4).hidden()).is_empty());
    assert!(noted.joined(9, session("mallory", "PA_2", 4)).is_empty(), "it is alice's");
}

#[test]
fn a_crash_ended_everybody_when_the_last_of_them_showed_life() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    noted.joined(3, session("bob", "PA_2", 3));
    let sid = ParticipantSid::new("PA_1");
    let published = noted.at(17, EventKind::TrackPublished { sid, track: track("TR_1") });
    noted.apply(&published);
    let mut start = noted.at(30, EventKind::Room(RoomLifecycle::Started));
    start.room_sid = Some(RoomSid::new("RM_2"));
    assert_eq!(
        noted.apply(&start),
        [
            "left alice/PA_1 about store 17.000, Concluded, Comparison",
            "left bob/PA_2 about store 17.000, Concluded, Comparison",
            "opened RM_2 30.000, said 30.000",
        ]
    );
}

#[test]
fn a_crash_ended_nobody_before_the_last_webhook_of_the_room_also_of_one_who_left() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    noted.joined(3, session("bob", "PA_2", 3));
    let sid = ParticipantSid::new("PA_1");
    let published = noted.at(17, EventKind::TrackPublished { sid, track: track("TR_1") });
    noted.apply(&published);
    noted.left(25, session("bob", "PA_2", 3));
    let start = noted.at(30, EventKind::Room(RoomLifecycle::Started));
    assert_eq!(
        noted.apply(&start),
        [
            "left alice/PA_1 about store 25.000, Concluded, Comparison",
            "opened RM_1 30.000, said 30.000",
        ]
    );
}

#[test]
fn the_end_of_a_room_ends_those_whose_leave_was_lost_and_no_other_instance() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    let mut bob = noted.at(9, EventKind::Joined(session("bob", "PA_2", 9).0));
    bob.room_sid = Some(RoomSid::new("RM_2"));
    assert_eq!(noted.apply(&bob), ["shown bob/PA_2 in RM_2 since 9.000, seen 9.250, Webhook"]);
    let end = noted.at(10, EventKind::Room(RoomLifecycle::Finished));
    assert_eq!(
        noted.apply(&end),
        [
            "left alice/PA_1 in RM_1 about 10.250, Concluded, Comparison",
            "closed RM_1 10.250, Webhook"
        ]
    );
}

#[test]
fn a_session_that_lists_omit_ended_when_the_first_of_them_was_asked_for() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    noted.joined(1, session("bob", "PA_2", 1));
    assert_eq!(
        noted.compared(60, vec![session("bob", "PA_2", 1)]),
        ["left alice/PA_1 about store 60.000, Concluded, Comparison"]
    );
    assert!(noted.after_probe(80, Repair::Missed(ParticipantSid::new("PA_2"))).is_empty());
    assert_eq!(
        noted.compared(90, vec![]),
        [
            "left bob/PA_2 about store 80.000, Concluded, Comparison",
            "closed RM_1 about store 91.000, Comparison",
        ]
    );
    assert!(noted.compared(120, vec![]).is_empty(), "it is closed already");
    // The lists were wrong.
    let track = TrackSid::new("TR_1");
    let sid = ParticipantSid::new("PA_2");
    let alive = noted.at(125, EventKind::TrackUnpublished { sid, track });
    assert_eq!(noted.apply(&alive), ["shown bob/PA_2 in RM_1 since 1.000, seen 125.250, Webhook"]);
}

#[test]
fn an_evicted_session_ended_with_its_last_sign_of_life_unless_it_answers_after_all() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    let sid = || ParticipantSid::new("PA_1");
    noted.compared(20, vec![session("alice", "PA_1", 1)]);
    assert!(noted.after_probe(30, Repair::Alive(sid())).is_empty());
    assert!(noted.after_probe(50, Repair::Dead { sid: sid(), witnessed: true }).is_empty());
    assert_eq!(
        noted.after_probe(60, Repair::Evict(sid())),
        ["left alice/PA_1 about store 30.000, Concluded, Comparison"]
    );
    assert_eq!(
        noted.after_probe(70, Repair::Alive(sid())),
        ["shown alice/PA_1 in RM_1 since 1.000, seen store 70.000, Comparison"]
    );
    noted.after_probe(80, Repair::Dead { sid: sid(), witnessed: true });
    noted.after_probe(90, Repair::Evict(sid()));
    assert_eq!(
        noted.left(95, session("alice", "PA_1", 1)),
        ["left alice/PA_1 in RM_1 95.250, Said, Webhook CLIENT_INITIATED"]
    );
}

#[test]
fn who_was_removed_left_then_and_their_own_leave_says_why() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    noted.joined(2, session("bob", "PA_2", 2));
    let removal = noted.fixture.room.after_removal(&Identity::new("alice"));
    assert_eq!(
        noted.moderated(9, removal),
        ["left alice/PA_1 about store 9.000, Concluded, Comparison"]
    );
    assert_eq!(
        noted.left(10, session("alice", "PA_1", 1)),
        ["left alice/PA_1 in RM_1 10.250, Said, Webhook CLIENT_INITIATED"]
    );
    let end = noted.fixture.room.after_end();
    assert_eq!(
        noted.moderated(20, end),
        [
            "left bob/PA_2 about store 20.000, Concluded, Comparison",
            "closed RM_1 about store 20.000, Comparison",
        ]
    );
}
