//! Rule 10: LiveKit's list has sessions that are dead.

use std::time::Duration;

use super::*;

#[test]
fn after_a_crash_the_dead_that_livekit_lists_are_not_shown() {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 1));
    fixture.joined(session("bob", "PA_2", 2));
    // LiveKit crashes, and only alice comes back.
    fixture.at(30).started();
    fixture.joined(session("alice", "PA_3", 30));
    let still_listed = || vec![session("alice", "PA_3", 30), session("bob", "PA_2", 2)];
    for secs in [40, 60, 80] {
        fixture.at(secs).reconciled(secs, still_listed());
        assert_eq!(fixture.list(), ["alice/PA_3"]);
    }
}

#[test]
fn a_session_older_than_the_start_is_a_suspect_until_it_shows_life() {
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

/// A room that nobody entered again after a crash: LiveKit lists the living and the dead, and sends no start.
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
fn after_a_crash_whoever_showed_no_life_since_is_probed_however_lately_they_came() {
    let mut fixture = unvisited();
    fixture.at(2).reconciled(2, all_listed());
    fixture.at(4).published("PA_1", "TR_1");
    let quiet = |silence| {
        let due =
            fixture.room.due_probes(fixture.now, Duration::from_secs(silence), &fixture.rules);
        due.quiet.map(|target| target.sid.to_string())
    };
    assert_eq!(quiet(20), None);
    assert_eq!(quiet(1), Some("PA_2".to_owned()));
    assert_eq!(quiet(60), None);
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
fn after_a_failure_all_sessions_without_a_sign_of_life_since_are_probed_and_can_be_the_witness() {
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
