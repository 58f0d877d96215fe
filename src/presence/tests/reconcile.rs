//! Rule 9: a comparison with LiveKit's list.

use super::*;

#[test]
fn a_list_adds_missed_joins_and_removes_missed_leaves() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    let counts = fixture.at(10).compared(
        10,
        vec![session("bob", "PA_2", 3).with_track("TR_1")],
        10,
        ProbeAnswer::Gone,
    );
    assert_eq!(fixture.list(), ["bob/PA_2[TR_1]"]);
    assert_eq!((counts.added, counts.removed), (1, 1));
}

#[test]
fn a_list_makes_a_partial_room_complete() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    assert!(!fixture.is_complete());
    fixture.reconciled(0, vec![session("alice", "PA_1", 0), session("bob", "PA_2", 0)]);
    assert!(fixture.is_complete());
}

#[test]
fn the_first_confirmation_of_an_unknown_room_is_published() {
    let mut fixture = Fixture::new();
    fixture.reconciled(0, vec![]);
    assert!(fixture.room.version() > Version::ZERO);
    assert!(fixture.is_complete());
}

#[test]
fn a_session_recorded_after_the_question_stays() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(20).joined(session("alice", "PA_1", 20));
    assert_eq!(fixture.at(21).reconciled(19, vec![]), RepairCounts::default());
    fixture.at(22).reconciled(19, vec![]);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn only_active_sessions_are_added_but_a_connecting_one_is_not_missing() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    let connecting = |who: Who| who.state(SessionState::Connecting).version(1);
    fixture.at(10).reconciled(
        10,
        vec![
            connecting(session("alice", "PA_1", 0)),
            connecting(session("bob", "PA_2", 9)),
            session("carol", "PA_3", 9).state(SessionState::Disconnected),
        ],
    );
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn a_list_brings_what_no_webhook_tells() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.joined(session("bob", "PA_2", 0));
    fixture.at(10).reconciled(
        10,
        vec![
            session("alice", "PA_1", 0).version(3).named("Alice"),
            session("bob", "PA_2", 0).version(3).hidden(),
        ],
    );
    assert_eq!(fixture.list(), ["alice/PA_1"], "bob was hidden by the API");
    assert_eq!(fixture.room.list()[0].profile.name, "Alice");
}

#[test]
fn at_equal_versions_the_list_wins_only_if_asked_after_the_last_webhook() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0).named("webhook"));
    let muted_by_api = || vec![session("alice", "PA_1", 0).named("list")];
    fixture.at(10).published("PA_1", "TR_1");
    fixture.at(11).reconciled(9, muted_by_api());
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
    assert_eq!(fixture.room.list()[0].profile.name, "webhook");
    fixture.at(12).reconciled(12, muted_by_api());
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert_eq!(fixture.room.list()[0].profile.name, "list");
}

#[test]
fn a_newer_list_does_not_undo_the_tracks_of_webhooks_since_the_question() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.published("PA_1", "TR_old");
    fixture.at(10).published("PA_1", "TR_new");
    fixture.unpublished("PA_1", "TR_old");
    fixture.at(11).reconciled(9, vec![session("alice", "PA_1", 0).version(4).with_track("TR_old")]);
    assert_eq!(fixture.list(), ["alice/PA_1[TR_new]"]);
}

#[test]
fn a_session_that_left_is_not_brought_back_by_a_list_that_still_shows_it() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.left("PA_1");
    let counts = fixture.at(100).reconciled(100, vec![session("alice", "PA_1", 0)]);
    assert_eq!(counts.suspected, 1);
    assert_eq!(fixture.list(), NOBODY);
    assert_eq!(fixture.to_probe(), ["PA_1"]);
    fixture.after_probe(Repair::Alive(ParticipantSid::new("PA_1")));
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn without_probes_a_list_from_well_after_the_leave_brings_them_back() {
    let mut fixture = Fixture::new();
    fixture.rules.can_probe = false;
    fixture.started();
    fixture.left("PA_1");
    fixture.at(4).reconciled(4, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.list(), NOBODY);
    fixture.at(6).reconciled(6, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert_eq!(fixture.to_probe(), NOBODY);
}

#[test]
fn a_leave_that_comes_while_livekit_is_asked_wins() {
    let mut fixture = Fixture::new();
    fixture.started();
    let listing =
        Listing { asked_at: Fixture::time(10), sessions: vec![session("alice", "PA_1", 0).0] };
    let repairs = plan(&fixture.room, &listing, &[], &fixture.rules);
    fixture.at(11).left("PA_1");
    let counts = fixture.at(12).repaired(&repairs);
    assert_eq!(counts.outdated, 1);
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn webhooks_that_come_before_the_repairs_win_over_them() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("gone", "PA_1", 0));
    fixture.joined(session("renamed", "PA_2", 0));
    let listing = Listing {
        asked_at: Fixture::time(10),
        sessions: vec![session("renamed", "PA_2", 0).named("by the list").0],
    };
    let repairs = plan(&fixture.room, &listing, &[], &fixture.rules);
    assert_eq!(repairs.steps.len(), 2, "one is removed, the other updated");
    fixture.at(11).published("PA_1", "TR_1");
    fixture.published("PA_2", "TR_2");
    let counts = fixture.at(12).repaired(&repairs);
    assert_eq!(
        counts.outdated, 1,
        "the removal; the update says at least that LiveKit listed PA_2"
    );
    assert_eq!(fixture.list(), ["gone/PA_1[TR_1]", "renamed/PA_2[TR_2]"]);
}

#[test]
fn repairs_of_another_epoch_are_refused() {
    let mut fixture = Fixture::new();
    fixture.started();
    let listing =
        Listing { asked_at: Fixture::time(10), sessions: vec![session("alice", "PA_1", 5).0] };
    let repairs = plan(&fixture.room, &listing, &[], &fixture.rules);
    fixture.at(11).finished();
    let counts = fixture.at(12).repaired(&repairs);
    assert_eq!(counts.outdated, 1);
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn steady_agreement_needs_no_repairs() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    let list = || vec![session("alice", "PA_1", 0)];
    fixture.at(10).reconciled(10, list());
    let listing = Listing {
        asked_at: Fixture::time(30),
        sessions: list().into_iter().map(|who| who.0).collect(),
    };
    assert_eq!(plan(&fixture.room, &listing, &[], &fixture.rules).steps, []);
}

#[test]
fn a_partial_room_does_not_become_complete_without_a_list() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    let repairs = plan_without_list(&fixture.room, fixture.now);
    fixture.at(1).repaired(&repairs);
    assert!(!fixture.is_complete());
}

#[test]
fn a_room_emptied_by_a_list_is_no_longer_active() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.at(10).compared(10, vec![], 10, ProbeAnswer::Gone);
    assert!(!fixture.room.is_active());
}
