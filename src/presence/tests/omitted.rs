//! Rule 10: LiveKit's list omits sessions that live, and has suspects that may be alive.

use super::*;

fn sid(sid: &str) -> ParticipantSid {
    ParticipantSid::new(sid)
}

/// Alice is inside since the start, with a track and a name.
fn with_alice() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.joined(session("alice", "PA_1", 0).named("Alice"));
    fixture.published("PA_1", "TR_1");
    fixture
}

/// As [`with_alice`], but a probe said that she is gone.
fn without_alice() -> Fixture {
    let mut fixture = with_alice();
    fixture.at(60).compared(60, vec![], 60, ProbeAnswer::Gone);
    assert_eq!(fixture.list(), NOBODY);
    assert!(fixture.is_complete());
    fixture
}

#[test]
fn a_session_that_a_list_omits_stays_or_goes_by_its_probe() {
    for (said, is_listed, is_complete) in [
        (Some(ProbeAnswer::Alive), true, true),
        (Some(ProbeAnswer::Gone), false, true),
        (Some(ProbeAnswer::Unanswered), true, false),
        (None, true, false),
    ] {
        let mut fixture = with_alice();
        fixture.at(60);
        match said {
            Some(said) => fixture.compared(60, vec![], 60, said),
            None => fixture.reconciled(60, vec![]),
        };
        assert_eq!(!fixture.list().is_empty(), is_listed, "{said:?}");
        assert_eq!(fixture.is_complete(), is_complete, "{said:?}: an undecided session is shown");
    }
}

#[test]
fn a_session_that_answers_nothing_goes_when_a_later_list_omits_it_too() {
    let mut fixture = with_alice();
    fixture.at(63).compared(60, vec![], 60, ProbeAnswer::Unanswered);
    assert_eq!(fixture.list().len(), 1);
    let counts = fixture.at(64).compared(64, vec![], 60, ProbeAnswer::Unanswered);
    assert_eq!((fixture.list().len(), counts.removed), (0, 1));
    // Within the grace she stays.
    let mut fixture = with_alice();
    fixture.at(4).compared(4, vec![], 1, ProbeAnswer::Unanswered);
    assert_eq!(fixture.list().len(), 1);
    assert!(!fixture.is_complete());
}

#[test]
fn a_session_that_is_listed_again_or_shows_life_is_no_longer_undecided() {
    for sign in ["list", "webhook", "probe"] {
        let mut fixture = with_alice();
        fixture.at(60).reconciled(60, vec![]);
        assert!(!fixture.is_complete());
        fixture.at(61);
        match sign {
            "list" => {
                fixture.reconciled(61, vec![session("alice", "PA_1", 0)]);
            }
            "webhook" => {
                fixture.published("PA_1", "TR_2");
            }
            _ => {
                fixture.after_probe(Repair::Alive(sid("PA_1")));
            }
        }
        assert!(fixture.is_complete(), "{sign}");
    }
}

#[test]
fn an_answer_from_before_a_sign_of_life_decides_nothing() {
    let mut fixture = with_alice();
    fixture.at(62).published("PA_1", "TR_2");
    for said in [ProbeAnswer::Gone, ProbeAnswer::Unanswered] {
        fixture.at(70).compared(70, vec![], 61, said);
        assert_eq!(fixture.list().len(), 1, "{said:?}");
    }
}

#[test]
fn a_removal_on_its_way_yields_to_life_that_another_instance_saw_since_the_list() {
    let mut fixture = with_alice();
    let listing = Listing { asked_at: Fixture::time(60), sessions: vec![] };
    let gone = Probed { sid: sid("PA_1"), asked_at: Fixture::time(61), answer: ProbeAnswer::Gone };
    let repairs = plan(&fixture.room, &listing, &[gone], &fixture.rules);
    assert_eq!(repairs.steps, [Repair::Remove(sid("PA_1"))]);
    fixture.at(61).after_probe(Repair::Alive(sid("PA_1")));
    assert_eq!(fixture.at(62).repaired(&repairs).outdated, 1);
    let mut fixture = with_alice();
    fixture.at(61).reconciled(61, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.at(62).repaired(&repairs).outdated, 1, "a later list has her");
    assert_eq!(fixture.list().len(), 1);
}

#[test]
fn a_webhook_of_a_missing_session_brings_it_back_as_it_was_and_has_the_room_compared() {
    let mut fixture = without_alice();
    fixture.at(70).published("PA_1", "TR_2");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1,TR_2]"]);
    assert_eq!(fixture.room.list()[0].profile.name, "Alice");
    assert!(!fixture.is_complete(), "the list may have omitted others too");
    let mut fixture = without_alice();
    fixture.at(70).joined(session("alice", "PA_1", 0));
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
    assert!(!fixture.is_complete());
    let mut fixture = without_alice();
    fixture.at(70).left("PA_1");
    fixture.published("PA_1", "TR_2");
    assert_eq!(fixture.list(), NOBODY, "she left by her own webhook");
}

#[test]
fn a_missing_session_is_kept_for_ten_minutes_and_then_a_webhook_has_the_room_compared() {
    let mut fixture = without_alice();
    fixture.at(661).reconciled(661, vec![]);
    assert_eq!(fixture.room.sessions().count(), 0);
    assert_eq!(fixture.published("PA_1", "TR_2"), Applied::Unexpected);
    assert!(!fixture.is_complete());
    fixture.at(670).reconciled(670, vec![session("alice", "PA_1", 0).with_track("TR_2")]);
    assert_eq!(fixture.list(), ["alice/PA_1[TR_2]"], "her webhook was a sign of life");
}

#[test]
fn of_many_missing_sessions_the_newest_are_kept() {
    let mut fixture = Fixture::new();
    fixture.started();
    for number in 0..MAX_MISSING + 10 {
        fixture.joined(session(&format!("user-{number}"), &format!("PA_{number:03}"), 0));
    }
    fixture.at(60).compared(60, vec![], 60, ProbeAnswer::Gone);
    assert_eq!(fixture.list(), NOBODY);
    assert_eq!(fixture.room.sessions().count(), MAX_MISSING);
}

#[test]
fn a_session_that_was_taken_for_gone_and_is_listed_again_is_probed_first() {
    let mut fixture = without_alice();
    fixture.at(80).reconciled(80, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.list(), NOBODY);
    assert!(!fixture.is_complete(), "a suspect waits for an answer");
    assert_eq!(fixture.to_probe(), ["PA_1"]);
    fixture.after_probe(Repair::Alive(sid("PA_1")));
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert!(fixture.is_complete());
}

#[test]
fn a_person_who_came_back_under_a_new_room_sid_is_not_hidden_by_lists_that_lag() {
    let mut fixture = with_alice();
    fixture.at(60).left("PA_1");
    fixture.finished();
    let moved = |fixture: &mut Fixture, kind| {
        let mut event = fixture.event(kind);
        event.room_sid = Some(RoomSid::new("RM_2"));
        fixture.apply(&event);
    };
    fixture.at(61);
    moved(&mut fixture, EventKind::Room(RoomLifecycle::Started));
    moved(&mut fixture, EventKind::Joined(session("alice", "PA_2", 61).0));
    for secs in [62, 63, 70, 80] {
        fixture.at(secs).compared(
            secs,
            vec![session("alice", "PA_1", 0)],
            secs,
            ProbeAnswer::Alive,
        );
        assert_eq!(fixture.list(), ["alice/PA_2"], "the list has her session of before");
        fixture.at(secs + 1).compared(secs + 1, vec![], secs + 1, ProbeAnswer::Alive);
        assert_eq!(fixture.list(), ["alice/PA_2"]);
        assert!(fixture.is_complete());
    }
}

#[test]
fn a_newer_session_in_a_list_ends_the_older_one_without_a_probe() {
    let mut fixture = with_alice();
    let listing =
        Listing { asked_at: Fixture::time(60), sessions: vec![session("alice", "PA_2", 50).0] };
    assert_eq!(missing(&fixture.room, &listing, &fixture.rules), []);
    let counts = fixture.at(60).reconciled(60, vec![session("alice", "PA_2", 50)]);
    assert_eq!(fixture.list(), ["alice/PA_2"]);
    assert_eq!((counts.replaced, counts.removed), (1, 0));
    fixture.published("PA_1", "TR_9");
    assert_eq!(fixture.list(), ["alice/PA_2"], "it does not come back");
}

#[test]
fn without_probes_two_lists_the_grace_apart_remove_and_a_webhook_brings_back() {
    let mut fixture = with_alice();
    fixture.rules.can_probe = false;
    for (secs, is_listed) in [(60, true), (64, true), (65, false)] {
        fixture.at(secs).reconciled(secs, vec![]);
        assert_eq!(!fixture.list().is_empty(), is_listed, "at {secs} s");
        assert_eq!(fixture.is_complete(), !is_listed, "undecided until she is gone");
    }
    fixture.at(70).published("PA_1", "TR_2");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1,TR_2]"]);
    fixture.at(71).reconciled(71, vec![]);
    fixture.at(72).reconciled(72, vec![session("alice", "PA_1", 0).with_track("TR_1")]);
    fixture.at(80).reconciled(80, vec![]);
    assert_eq!(fixture.list().len(), 1, "not two lists in a row");
}

/// Two joined, and the room started again a minute later; LiveKit's list still has both.
fn with_suspects(can_probe: bool) -> Fixture {
    let mut fixture = Fixture::new();
    fixture.rules.can_probe = can_probe;
    fixture.started();
    fixture.joined(session("alice", "PA_1", 1));
    fixture.joined(session("bob", "PA_2", 1));
    fixture.at(61).started();
    fixture.at(62).reconciled(62, both());
    assert_eq!(fixture.list(), NOBODY);
    fixture
}

fn both() -> Vec<Who> {
    vec![session("alice", "PA_1", 1), session("bob", "PA_2", 1)]
}

#[test]
fn a_room_in_which_suspects_wait_for_an_answer_is_not_complete() {
    let mut fixture = with_suspects(true);
    assert!(!fixture.is_complete());
    fixture.at(63).after_probe(Repair::Alive(sid("PA_1")));
    assert!(!fixture.is_complete(), "bob waits");
    for secs in [64, 68, 72] {
        fixture.at(secs).after_probe(Repair::Dead { sid: sid("PA_2"), witnessed: false });
        fixture.at(secs + 1).reconciled(secs + 1, both());
    }
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert!(fixture.is_complete(), "it is decided that bob is a ghost");
}

#[test]
fn without_probes_a_session_that_two_lists_since_the_start_name_is_believed() {
    let mut fixture = with_suspects(false);
    assert!(!fixture.is_complete());
    fixture.at(80).reconciled(80, both());
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2"]);
    assert!(fixture.is_complete());
}

#[test]
fn two_failures_in_one_hiccup_are_one() {
    let mut fixture = with_alice();
    fixture.at(30).reconciled(30, vec![session("alice", "PA_1", 0)]);
    let dead = |fixture: &Fixture, asked_at: u64| Repairs {
        asked_at: Fixture::time(asked_at),
        epoch: fixture.room.epoch(),
        version: fixture.room.version(),
        confirms: false,
        unlisted_at: None,
        cause: RepairCause::Comparison,
        steps: vec![Repair::Dead { sid: sid("PA_1"), witnessed: true }],
    };
    let first = dead(&fixture, 31);
    assert_eq!(fixture.at(34).repaired(&first).noted, 1, "it had ended at 34 s");
    // Another instance asked before the first probe had ended.
    let second = dead(&fixture, 33);
    assert_eq!(fixture.at(36).repaired(&second).outdated, 1);
    fixture.at(37).reconciled(37, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.list().len(), 1);
    let third = dead(&fixture, 38);
    fixture.at(41).repaired(&third);
    fixture.at(42).reconciled(42, vec![session("alice", "PA_1", 0)]);
    // More than half of the room would be evicted, which takes one more failure.
    let fourth = dead(&fixture, 43);
    fixture.at(46).repaired(&fourth);
    fixture.at(47).reconciled(47, vec![session("alice", "PA_1", 0)]);
    assert_eq!(fixture.list(), NOBODY);
}

#[test]
fn a_comparison_that_only_confirms_a_room_copies_nobody_in_it() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(30).reconciled(30, vec![session("alice", "PA_1", 0)]);
    let listed = fixture.room.clone();
    fixture.at(50).reconciled(50, vec![session("alice", "PA_1", 0)]);
    assert!(Arc::ptr_eq(&listed.sessions, &fixture.room.sessions));
    assert!(Arc::ptr_eq(&listed.sids_of, &fixture.room.sids_of));
    assert!(Arc::ptr_eq(&listed.gone, &fixture.room.gone));
    assert!(Arc::ptr_eq(&listed.seen, &fixture.room.seen));
    assert!(fixture.room.compared_at() > listed.compared_at());
    assert!(!Arc::ptr_eq(&before.sessions, &listed.sessions), "that she is listed was noted");
}
