//! Rules 9 and 10: LiveKit's list, and why it is not always right.

use super::*;

#[test]
fn a_list_adds_who_was_missed_and_removes_who_left_unheard() {
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
fn who_was_recorded_after_the_question_stays() {
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
fn who_left_is_not_brought_back_by_a_list_that_still_shows_them() {
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
    assert_eq!(repairs.steps.len(), 2, "one is to be removed, the other updated");
    fixture.at(11).published("PA_1", "TR_1");
    fixture.published("PA_2", "TR_2");
    let counts = fixture.at(12).repaired(&repairs);
    assert_eq!(counts.outdated, 2);
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
fn after_a_crash_the_dead_that_livekit_lists_are_not_shown() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 1));
    fixture.joined(session("bob", "PA_2", 2));
    // LiveKit is killed, and alice comes back.
    fixture.at(30).started();
    fixture.joined(session("alice", "PA_3", 30));
    let still_listed = || vec![session("alice", "PA_3", 30), session("bob", "PA_2", 2)];
    for secs in [40, 60, 80] {
        fixture.at(secs).reconciled(secs, still_listed());
        assert_eq!(fixture.list(), ["alice/PA_3"]);
    }
}

#[test]
fn age_makes_a_suspect_who_is_shown_after_a_probe_or_a_webhook_of_its_own() {
    for sign in ["probe", "webhook", "version"] {
        let mut fixture = Fixture::new();
        fixture.at(30).started();
        let bob = || session("bob", "PA_2", 2);
        fixture.at(40).reconciled(40, vec![bob()]);
        assert_eq!(fixture.list(), NOBODY, "bob joined before the room started");
        match sign {
            "probe" => {
                fixture.after_probe(Repair::Alive(ParticipantSid::new("PA_2")));
            }
            "webhook" => {
                fixture.published("PA_2", "TR_1");
                fixture.unpublished("PA_2", "TR_1");
            }
            _ => {
                fixture.at(60).reconciled(60, vec![bob().version(3)]);
            }
        }
        assert_eq!(fixture.list(), ["bob/PA_2"], "{sign}");
    }
}

#[test]
fn a_version_counts_as_life_only_between_two_lists_since_the_start() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("bob", "PA_2", 2));
    fixture.at(10).reconciled(10, vec![session("bob", "PA_2", 2).version(3)]);
    fixture.at(30).started();
    fixture.at(40).reconciled(40, vec![session("bob", "PA_2", 2).version(4)]);
    assert_eq!(fixture.list(), NOBODY, "the earlier version was heard before the start");
    fixture.at(60).reconciled(60, vec![session("bob", "PA_2", 2).version(5)]);
    assert_eq!(fixture.list(), ["bob/PA_2"]);
}

/// A room of the living and dead that nobody re-entered after a crash: LiveKit lists them all, and no start comes.
fn unvisited() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    for (identity, sid) in [("alice", "PA_1"), ("bob", "PA_2"), ("carol", "PA_3")] {
        fixture.joined(session(identity, sid, 0));
    }
    fixture
}

fn all_listed() -> Vec<Who> {
    vec![session("alice", "PA_1", 0), session("bob", "PA_2", 0), session("carol", "PA_3", 0)]
}

fn dead(sid: &str, witnessed: bool) -> Repair {
    Repair::Dead { sid: ParticipantSid::new(sid), witnessed }
}

#[test]
fn the_one_without_a_sign_for_longest_is_probed() {
    let mut fixture = unvisited();
    fixture.at(10).published("PA_1", "TR_1");
    fixture.at(15).reconciled(15, all_listed());
    assert_eq!(fixture.to_probe(), NOBODY, "all showed life within the last 20 s");
    fixture.at(29);
    assert_eq!(fixture.to_probe(), ["PA_2"]);
    fixture.after_probe(Repair::Alive(ParticipantSid::new("PA_2")));
    assert_eq!(fixture.to_probe(), ["PA_3"]);
}

#[test]
fn two_failures_with_a_witness_in_between_make_a_ghost_and_then_everybody_is_asked() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    fixture.after_probe(dead("PA_2", false));
    assert_eq!(fixture.to_probe()[0], "PA_2", "asked again at once");
    fixture.at(33).after_probe(dead("PA_2", true));
    assert_eq!(fixture.list().len(), 3, "it must still be listed after its failures");
    let counts = fixture.at(35).reconciled(35, all_listed());
    assert_eq!(counts.evicted, 1);
    assert_eq!(fixture.list(), ["alice/PA_1", "carol/PA_3"]);
    assert_eq!(fixture.to_probe(), ["PA_1", "PA_3"]);
}

#[test]
fn after_a_failure_everybody_who_has_shown_no_life_since_is_asked_and_can_be_the_witness() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    assert_eq!(fixture.to_probe().len(), 1);
    fixture.at(31).after_probe(dead("PA_2", false));
    assert_eq!(fixture.at(34).to_probe(), ["PA_2", "PA_1", "PA_3"]);
    fixture.after_probe(Repair::Alive(ParticipantSid::new("PA_1")));
    assert_eq!(fixture.to_probe(), ["PA_2", "PA_3"]);
    let target = &fixture.room.to_probe(fixture.now, &fixture.rules)[0];
    assert_eq!(target.failed_at, Some(Fixture::time(31)));
}

#[test]
fn where_livekit_gives_no_list_nobody_is_added_or_missed_and_probes_decide() {
    let mut fixture = unvisited();
    let compare = |fixture: &mut Fixture, secs: u64| {
        let repairs = plan_without_list(&fixture.room, Fixture::time(secs));
        fixture.at(secs).repaired(&repairs)
    };
    let counts = compare(&mut fixture, 30);
    assert_eq!((fixture.list().len(), counts.noted), (3, 3));
    assert!(fixture.is_complete(), "it was, and LiveKit still has the room");
    for secs in [31, 34, 37] {
        assert_eq!(fixture.list().len(), 3);
        fixture.at(secs).after_probe(dead("PA_2", false));
        compare(&mut fixture, secs + 1);
    }
    assert_eq!(fixture.list(), ["alice/PA_1", "carol/PA_3"]);
}

#[test]
fn a_room_that_is_not_whole_does_not_become_so_without_a_list() {
    let mut fixture = Fixture::new();
    fixture.joined(session("alice", "PA_1", 0));
    let repairs = plan_without_list(&fixture.room, fixture.now);
    fixture.at(1).repaired(&repairs);
    assert!(!fixture.is_complete());
}

#[test]
fn without_a_witness_it_takes_three_failures() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    for (secs, expected) in [(31, 3), (34, 3), (37, 2)] {
        fixture.at(secs).after_probe(dead("PA_2", false));
        fixture.at(secs + 1).reconciled(secs + 1, all_listed());
        assert_eq!(fixture.list().len(), expected, "after {secs} s");
    }
}

#[test]
fn taking_away_more_than_half_of_a_room_waits_for_a_second_round() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    let round = |fixture: &mut Fixture, secs: u64| {
        for sid in ["PA_1", "PA_2"] {
            fixture.at(secs).after_probe(dead(sid, true));
        }
        fixture.at(secs + 1).reconciled(secs + 1, all_listed());
        fixture.list().len()
    };
    assert_eq!(round(&mut fixture, 31), 3);
    assert_eq!(round(&mut fixture, 35), 3, "two of three would go: they are asked once more");
    assert_eq!(round(&mut fixture, 39), 1);
}

#[test]
fn a_success_clears_the_failures_and_brings_a_ghost_back() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    fixture.at(31).after_probe(dead("PA_2", true));
    fixture.at(32).after_probe(Repair::Alive(ParticipantSid::new("PA_2")));
    fixture.at(33).after_probe(dead("PA_2", true));
    fixture.at(34).reconciled(34, all_listed());
    assert_eq!(fixture.list().len(), 3, "the failures were not in a row");
    fixture.at(35).after_probe(dead("PA_2", true));
    fixture.at(36).reconciled(36, all_listed());
    assert_eq!(fixture.list().len(), 2);
    let counts = fixture.at(40).after_probe(Repair::Alive(ParticipantSid::new("PA_2")));
    assert_eq!(counts.reinstated, 1);
    assert_eq!(fixture.list().len(), 3);
}

#[test]
fn a_ghost_is_asked_again_ever_more_rarely_while_it_is_listed() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    fixture.at(31).after_probe(dead("PA_2", true));
    fixture.at(32).after_probe(dead("PA_2", true));
    fixture.at(33).reconciled(33, all_listed());
    for sid in ["PA_1", "PA_3"] {
        fixture.after_probe(Repair::Alive(ParticipantSid::new(sid)));
    }
    fixture.at(34);
    assert_eq!(fixture.to_probe(), NOBODY);
    fixture.at(111).published("PA_1", "TR_1");
    fixture.published("PA_3", "TR_3");
    assert_eq!(fixture.to_probe(), NOBODY, "two failures, the last 79 s ago");
    fixture.at(112);
    assert_eq!(fixture.to_probe(), ["PA_2"]);
}

#[test]
fn a_ghost_that_is_no_longer_listed_is_removed_without_anybody_noticing() {
    let mut fixture = unvisited();
    fixture.at(30).reconciled(30, all_listed());
    fixture.at(31).after_probe(dead("PA_2", true));
    fixture.at(32).after_probe(dead("PA_2", true));
    fixture.at(33).reconciled(33, all_listed());
    let version = fixture.room.version();
    fixture.at(40).reconciled(40, vec![session("alice", "PA_1", 0), session("carol", "PA_3", 0)]);
    assert_eq!(fixture.room.sessions().count(), 2);
    assert_eq!(fixture.room.version(), version);
}

#[test]
fn a_room_emptied_by_a_list_is_no_longer_active() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0));
    fixture.at(10).compared(10, vec![], 10, ProbeAnswer::Gone);
    assert!(!fixture.room.is_active());
}
