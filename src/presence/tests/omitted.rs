//! Rule 10: a list omits people who live, and suspects are not known to be gone.

use super::*;

fn sid(sid: &str) -> ParticipantSid {
    ParticipantSid::new(sid)
}

/// Alice has been inside since the start, with a track and a name.
fn with_alice() -> Stage {
    let mut stage = Stage::new();
    stage.started();
    stage.joined(session("alice", "PA_1", 0).named("Alice"));
    stage.published("PA_1", "TR_1");
    stage
}

/// As [`with_alice`], and LiveKit said that she is gone.
fn without_alice() -> Stage {
    let mut stage = with_alice();
    stage.at(60).compared(60, vec![], 60, ProbeAnswer::Gone);
    assert_eq!(stage.list(), NOBODY);
    assert!(stage.is_complete());
    stage
}

#[test]
fn whom_a_list_omits_goes_by_what_a_probe_says() {
    for (said, is_listed, is_complete) in [
        (Some(ProbeAnswer::Alive), true, true),
        (Some(ProbeAnswer::Gone), false, true),
        (Some(ProbeAnswer::Unanswered), true, false),
        (None, true, false),
    ] {
        let mut stage = with_alice();
        stage.at(60);
        match said {
            Some(said) => stage.compared(60, vec![], 60, said),
            None => stage.reconciled(60, vec![]),
        };
        assert_eq!(!stage.list().is_empty(), is_listed, "{said:?}");
        assert_eq!(stage.is_complete(), is_complete, "{said:?}: whoever is undecided is shown");
    }
}

#[test]
fn who_answers_nothing_goes_when_a_list_asked_for_after_that_omits_them_too() {
    let mut stage = with_alice();
    stage.at(63).compared(60, vec![], 60, ProbeAnswer::Unanswered);
    assert_eq!(stage.list().len(), 1);
    let counts = stage.at(64).compared(64, vec![], 60, ProbeAnswer::Unanswered);
    assert_eq!((stage.list().len(), counts.removed), (0, 1));
    // Not before she is past the grace.
    let mut stage = with_alice();
    stage.at(4).compared(4, vec![], 1, ProbeAnswer::Unanswered);
    assert_eq!(stage.list().len(), 1);
    assert!(!stage.is_complete());
}

#[test]
fn who_is_listed_again_or_shows_life_is_no_longer_undecided() {
    for sign in ["list", "webhook", "probe"] {
        let mut stage = with_alice();
        stage.at(60).reconciled(60, vec![]);
        assert!(!stage.is_complete());
        stage.at(61);
        match sign {
            "list" => {
                stage.reconciled(61, vec![session("alice", "PA_1", 0)]);
            }
            "webhook" => {
                stage.published("PA_1", "TR_2");
            }
            _ => {
                stage.after_probe(Repair::Alive(sid("PA_1")));
            }
        }
        assert!(stage.is_complete(), "{sign}");
    }
}

#[test]
fn an_answer_from_before_a_sign_of_life_decides_nothing() {
    let mut stage = with_alice();
    stage.at(62).published("PA_1", "TR_2");
    for said in [ProbeAnswer::Gone, ProbeAnswer::Unanswered] {
        stage.at(70).compared(70, vec![], 61, said);
        assert_eq!(stage.list().len(), 1, "{said:?}");
    }
}

#[test]
fn a_removal_on_its_way_yields_to_life_that_another_instance_saw_since_the_list() {
    let mut stage = with_alice();
    let listing = Listing { asked_at: Stage::time(60), sessions: vec![] };
    let gone = Probed { sid: sid("PA_1"), asked_at: Stage::time(61), answer: ProbeAnswer::Gone };
    let repairs = plan(&stage.room, &listing, &[gone], &stage.rules);
    assert_eq!(repairs.steps, [Repair::Remove(sid("PA_1"))]);
    stage.at(61).after_probe(Repair::Alive(sid("PA_1")));
    assert_eq!(stage.at(62).repaired(&repairs).outdated, 1);
    let mut stage = with_alice();
    stage.at(61).reconciled(61, vec![session("alice", "PA_1", 0)]);
    assert_eq!(stage.at(62).repaired(&repairs).outdated, 1, "a later list has her");
    assert_eq!(stage.list().len(), 1);
}

#[test]
fn a_webhook_of_a_missing_session_brings_it_back_as_it_was_and_has_the_room_compared() {
    let mut stage = without_alice();
    stage.at(70).published("PA_1", "TR_2");
    assert_eq!(stage.list(), ["alice/PA_1[TR_1,TR_2]"]);
    assert_eq!(stage.room.list()[0].profile.name, "Alice");
    assert!(!stage.is_complete(), "the list may have omitted others too");
    let mut stage = without_alice();
    stage.at(70).joined(session("alice", "PA_1", 0));
    assert_eq!(stage.list(), ["alice/PA_1[TR_1]"]);
    assert!(!stage.is_complete());
    let mut stage = without_alice();
    stage.at(70).left("PA_1");
    stage.published("PA_1", "TR_2");
    assert_eq!(stage.list(), NOBODY, "she left by her own webhook");
}

#[test]
fn a_missing_session_is_kept_for_ten_minutes_and_then_a_webhook_has_the_room_compared() {
    let mut stage = without_alice();
    stage.at(661).reconciled(661, vec![]);
    assert_eq!(stage.room.sessions().count(), 0);
    assert_eq!(stage.published("PA_1", "TR_2"), Applied::Unexpected);
    assert!(!stage.is_complete());
    stage.at(670).reconciled(670, vec![session("alice", "PA_1", 0).with_track("TR_2")]);
    assert_eq!(stage.list(), ["alice/PA_1[TR_2]"], "her webhook was a sign of life");
}

#[test]
fn of_many_missing_sessions_the_newest_are_kept() {
    let mut stage = Stage::new();
    stage.started();
    for number in 0..MAX_MISSING + 10 {
        stage.joined(session(&format!("user-{number}"), &format!("PA_{number:03}"), 0));
    }
    stage.at(60).compared(60, vec![], 60, ProbeAnswer::Gone);
    assert_eq!(stage.list(), NOBODY);
    assert_eq!(stage.room.sessions().count(), MAX_MISSING);
}

#[test]
fn who_was_taken_for_gone_and_is_listed_again_is_probed_first() {
    let mut stage = without_alice();
    stage.at(80).reconciled(80, vec![session("alice", "PA_1", 0)]);
    assert_eq!(stage.list(), NOBODY);
    assert!(!stage.is_complete(), "a suspect waits for an answer");
    assert_eq!(stage.to_probe(), ["PA_1"]);
    stage.after_probe(Repair::Alive(sid("PA_1")));
    assert_eq!(stage.list(), ["alice/PA_1"]);
    assert!(stage.is_complete());
}

#[test]
fn who_came_back_under_a_new_room_sid_is_not_hidden_by_lists_that_lag() {
    let mut stage = with_alice();
    stage.at(60).left("PA_1");
    stage.finished();
    let moved = |stage: &mut Stage, kind| {
        let mut event = stage.event(kind);
        event.room_sid = Some(RoomSid::new("RM_2"));
        stage.apply(&event);
    };
    stage.at(61);
    moved(&mut stage, EventKind::Room(RoomLifecycle::Started));
    moved(&mut stage, EventKind::Joined(session("alice", "PA_2", 61).0));
    for secs in [62, 63, 70, 80] {
        stage.at(secs).compared(secs, vec![session("alice", "PA_1", 0)], secs, ProbeAnswer::Alive);
        assert_eq!(stage.list(), ["alice/PA_2"], "the list has her session of before");
        stage.at(secs + 1).compared(secs + 1, vec![], secs + 1, ProbeAnswer::Alive);
        assert_eq!(stage.list(), ["alice/PA_2"]);
        assert!(stage.is_complete());
    }
}

#[test]
fn a_newer_session_in_a_list_ends_the_older_one_without_a_probe() {
    let mut stage = with_alice();
    let listing =
        Listing { asked_at: Stage::time(60), sessions: vec![session("alice", "PA_2", 50).0] };
    assert_eq!(missing(&stage.room, &listing, &stage.rules), []);
    let counts = stage.at(60).reconciled(60, vec![session("alice", "PA_2", 50)]);
    assert_eq!(stage.list(), ["alice/PA_2"]);
    assert_eq!((counts.replaced, counts.removed), (1, 0));
    stage.published("PA_1", "TR_9");
    assert_eq!(stage.list(), ["alice/PA_2"], "it does not come back");
}

#[test]
fn without_probes_two_lists_the_grace_apart_remove_and_a_webhook_brings_back() {
    let mut stage = with_alice();
    stage.rules.can_probe = false;
    for (secs, is_listed) in [(60, true), (64, true), (65, false)] {
        stage.at(secs).reconciled(secs, vec![]);
        assert_eq!(!stage.list().is_empty(), is_listed, "at {secs} s");
        assert_eq!(stage.is_complete(), !is_listed, "undecided until she is gone");
    }
    stage.at(70).published("PA_1", "TR_2");
    assert_eq!(stage.list(), ["alice/PA_1[TR_1,TR_2]"]);
    stage.at(71).reconciled(71, vec![]);
    stage.at(72).reconciled(72, vec![session("alice", "PA_1", 0).with_track("TR_1")]);
    stage.at(80).reconciled(80, vec![]);
    assert_eq!(stage.list().len(), 1, "not two lists in a row");
}

/// The room started, two joined, and it started again a minute later: its list still has both.
fn with_suspects(can_probe: bool) -> Stage {
    let mut stage = Stage::new();
    stage.rules.can_probe = can_probe;
    stage.started();
    stage.joined(session("alice", "PA_1", 1));
    stage.joined(session("bob", "PA_2", 1));
    stage.at(61).started();
    stage.at(62).reconciled(62, both());
    assert_eq!(stage.list(), NOBODY);
    stage
}

fn both() -> Vec<Who> {
    vec![session("alice", "PA_1", 1), session("bob", "PA_2", 1)]
}

#[test]
fn a_room_in_which_suspects_wait_for_an_answer_is_not_complete() {
    let mut stage = with_suspects(true);
    assert!(!stage.is_complete());
    stage.at(63).after_probe(Repair::Alive(sid("PA_1")));
    assert!(!stage.is_complete(), "bob waits");
    for secs in [64, 68, 72] {
        stage.at(secs).after_probe(Repair::Dead { sid: sid("PA_2"), witnessed: false });
        stage.at(secs + 1).reconciled(secs + 1, both());
    }
    assert_eq!(stage.list(), ["alice/PA_1"]);
    assert!(stage.is_complete(), "it is decided that bob is a ghost");
}

#[test]
fn without_probes_a_session_that_two_lists_since_the_start_name_is_believed() {
    let mut stage = with_suspects(false);
    assert!(!stage.is_complete());
    stage.at(80).reconciled(80, both());
    assert_eq!(stage.list(), ["alice/PA_1", "bob/PA_2"]);
    assert!(stage.is_complete());
}

#[test]
fn two_failures_in_one_hiccup_are_one() {
    let mut stage = with_alice();
    stage.at(30).reconciled(30, vec![session("alice", "PA_1", 0)]);
    let dead = |stage: &Stage, asked_at: u64| Repairs {
        asked_at: Stage::time(asked_at),
        epoch: stage.room.epoch(),
        version: stage.room.version(),
        confirms: false,
        unlisted_at: None,
        steps: vec![Repair::Dead { sid: sid("PA_1"), witnessed: true }],
    };
    let first = dead(&stage, 31);
    assert_eq!(stage.at(34).repaired(&first).noted, 1, "it had ended at 34 s");
    // Another instance asked meanwhile.
    let second = dead(&stage, 33);
    assert_eq!(stage.at(36).repaired(&second).outdated, 1);
    stage.at(37).reconciled(37, vec![session("alice", "PA_1", 0)]);
    assert_eq!(stage.list().len(), 1);
    let third = dead(&stage, 38);
    stage.at(41).repaired(&third);
    stage.at(42).reconciled(42, vec![session("alice", "PA_1", 0)]);
    // More than half of the room would go: one failure more.
    let fourth = dead(&stage, 43);
    stage.at(46).repaired(&fourth);
    stage.at(47).reconciled(47, vec![session("alice", "PA_1", 0)]);
    assert_eq!(stage.list(), NOBODY);
}

#[test]
fn what_only_confirms_a_room_copies_nobody_in_it() {
    let mut stage = with_alice();
    let before = stage.room.clone();
    stage.at(30).reconciled(30, vec![session("alice", "PA_1", 0)]);
    let listed = stage.room.clone();
    stage.at(50).reconciled(50, vec![session("alice", "PA_1", 0)]);
    assert!(Arc::ptr_eq(&listed.sessions, &stage.room.sessions));
    assert!(Arc::ptr_eq(&listed.sids_of, &stage.room.sids_of));
    assert!(Arc::ptr_eq(&listed.gone, &stage.room.gone));
    assert!(Arc::ptr_eq(&listed.seen, &stage.room.seen));
    assert!(stage.room.compared_at() > listed.compared_at());
    assert!(!Arc::ptr_eq(&before.sessions, &listed.sessions), "that she is listed was noted");
}
