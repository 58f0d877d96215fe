//! What a moderator had LiveKit do: its answer counts at once, against what webhooks say before and after it.

use super::*;

impl Fixture {
    /// LiveKit was asked `asked_at` seconds after the start, and its answer is applied now, to the room as it was then.
    fn moderated(
        &mut self,
        asked_at: u64,
        before: &Room,
        steps: impl FnOnce(&Room) -> Vec<Repair>,
    ) -> RepairCounts {
        let repairs = Repairs::moderated(before, Self::time(asked_at), steps(before));
        self.repaired(&repairs)
    }

    fn removed(&mut self, asked_at: u64, identity: &str) -> RepairCounts {
        let before = self.room.clone();
        let identity = Identity::new(identity);
        self.moderated(asked_at, &before, |room| room.after_removal(&identity))
    }

    fn muted(&mut self, asked_at: u64, identity: &str, track: &Track) -> RepairCounts {
        let before = self.room.clone();
        let identity = Identity::new(identity);
        self.moderated(asked_at, &before, |room| room.after_mute(&identity, track))
    }

    fn updated(&mut self, asked_at: u64, who: &Who) -> RepairCounts {
        let before = self.room.clone();
        self.moderated(asked_at, &before, |room| room.after_update(&who.0))
    }

    fn shown(&self, identity: &str) -> Participant {
        self.room.shown(&Identity::new(identity)).unwrap()
    }

    fn is_muted(&self, identity: &str) -> bool {
        self.shown(identity).tracks[0].muted
    }
}

fn muted(sid: &str) -> Track {
    Track { muted: true, ..track(sid) }
}

/// A room with Alice, who publishes a track.
fn with_alice() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.published("PA_1", "TR_1");
    fixture
}

#[test]
fn who_was_removed_is_gone_and_no_later_webhook_of_the_session_changes_that() {
    let mut fixture = with_alice();
    assert_eq!(fixture.at(20).removed(20, "alice").removed, 1);
    assert_eq!(fixture.list(), NOBODY);
    assert_eq!(fixture.joined(session("alice", "PA_1", 10)), Applied::Unchanged);
    assert_eq!(fixture.published("PA_1", "TR_2"), Applied::Unchanged);
    assert_eq!(fixture.left("PA_1"), Applied::Unchanged);
    assert_eq!(fixture.list(), NOBODY);
    fixture.at(30).joined(session("alice", "PA_2", 30));
    assert_eq!(fixture.list(), ["alice/PA_2"], "she came back with her token");
}

#[test]
fn a_leave_that_came_before_the_answer_is_the_end() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(20).left("PA_1");
    let alice = Identity::new("alice");
    let counts = fixture.moderated(20, &before, |room| room.after_removal(&alice));
    assert_eq!((counts.removed, counts.outdated), (0, 1));
}

#[test]
fn a_removal_ends_only_the_sessions_that_were_there_when_livekit_was_asked() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(20).joined(session("alice", "PA_2", 20));
    let alice = Identity::new("alice");
    fixture.at(21).moderated(19, &before, |room| room.after_removal(&alice));
    assert_eq!(fixture.list(), ["alice/PA_2"], "her own leave says whether she was removed");
}

#[test]
fn a_session_whose_join_is_still_to_come_never_appears_once_it_was_removed() {
    let mut fixture = with_alice();
    let ended = Repair::Ended { sid: ParticipantSid::new("PA_2"), identity: Identity::new("bob") };
    let before = fixture.room.clone();
    fixture.at(20).moderated(20, &before, |_| vec![ended]);
    fixture.joined(session("bob", "PA_2", 19));
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
}

#[test]
fn an_update_is_shown_at_once_and_an_older_webhook_does_not_undo_it() {
    let mut fixture = with_alice();
    fixture
        .at(20)
        .updated(20, &session("alice", "PA_1", 10).version(4).named("Alice").with_track("TR_1"));
    assert_eq!(fixture.shown("alice").profile.name, "Alice");
    fixture.at(21).joined(session("alice", "PA_1", 10).version(3));
    assert_eq!(fixture.shown("alice").profile.name, "Alice");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
}

#[test]
fn an_answer_that_is_older_than_what_is_known_changes_nothing() {
    let mut fixture = with_alice();
    fixture.at(20).updated(20, &session("alice", "PA_1", 10).version(5).named("newer"));
    let counts =
        fixture.at(21).updated(19, &session("alice", "PA_1", 10).version(4).named("older"));
    assert_eq!(counts.outdated, 1);
    assert_eq!(fixture.shown("alice").profile.name, "newer");
}

#[test]
fn who_may_no_longer_publish_loses_the_tracks_whichever_comes_first() {
    for answer_is_first in [true, false] {
        let mut fixture = with_alice();
        // LiveKit may still name the track in its answer.
        let demoted = session("alice", "PA_1", 10).version(4).with_track("TR_1");
        let before = fixture.room.clone();
        fixture.at(21);
        if !answer_is_first {
            fixture.unpublished("PA_1", "TR_1");
        }
        fixture.moderated(20, &before, |room| room.after_update(&demoted.0));
        if answer_is_first {
            fixture.unpublished("PA_1", "TR_1");
        }
        assert_eq!(fixture.list(), ["alice/PA_1"], "the answer came first: {answer_is_first}");
    }
}

#[test]
fn somebody_who_is_updated_before_their_webhook_comes_is_shown_as_updated() {
    let mut fixture = with_alice();
    fixture.at(20).updated(20, &session("bob", "PA_2", 19).version(3).named("Bob"));
    fixture.joined(session("bob", "PA_2", 19).version(2));
    assert_eq!(fixture.shown("bob").profile.name, "Bob");
}

#[test]
fn a_suspect_whom_livekit_updates_is_alive() {
    let mut fixture = Fixture::new();
    fixture.at(30).started();
    fixture.at(40).reconciled(40, vec![session("bob", "PA_2", 2)]);
    assert_eq!(fixture.list(), NOBODY);
    fixture.at(50).updated(50, &session("bob", "PA_2", 2).version(3));
    assert_eq!(fixture.list(), ["bob/PA_2"]);
}

#[test]
fn a_mute_is_shown_at_once_and_neither_an_older_webhook_nor_an_older_list_undoes_it() {
    let mut fixture = with_alice();
    assert_eq!(fixture.at(20).muted(20, "alice", &muted("TR_1")).updated, 1);
    assert!(fixture.is_muted("alice"));
    fixture.at(21).published("PA_1", "TR_1");
    assert!(fixture.is_muted("alice"), "her track's webhook was late");
    fixture.at(22).reconciled(19, vec![session("alice", "PA_1", 10).with_track("TR_1")]);
    assert!(fixture.is_muted("alice"), "the list was asked for before");
    fixture.at(30).reconciled(30, vec![session("alice", "PA_1", 10).version(7).with_track("TR_1")]);
    assert!(!fixture.is_muted("alice"), "she unmuted herself since");
}

#[test]
fn a_mute_of_a_track_whose_webhook_is_late_counts() {
    let mut fixture = with_alice();
    fixture.at(20).unpublished("PA_1", "TR_1");
    fixture.at(21).muted(21, "alice", &muted("TR_2"));
    fixture.published("PA_1", "TR_2");
    assert!(fixture.is_muted("alice"));
}

#[test]
fn a_mute_of_a_track_that_has_ended_since_does_not_bring_it_back() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(21).unpublished("PA_1", "TR_1");
    let alice = Identity::new("alice");
    let counts = fixture.moderated(20, &before, |room| room.after_mute(&alice, &muted("TR_1")));
    assert_eq!(counts.outdated, 1);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
}

#[test]
fn of_two_answers_about_a_track_that_overlap_the_second_decides_nothing() {
    let mut fixture = with_alice();
    fixture.at(22).muted(20, "alice", &muted("TR_1"));
    assert_eq!(fixture.at(23).muted(21, "alice", &track("TR_1")).outdated, 1);
    assert!(fixture.is_muted("alice"));
    assert_eq!(fixture.at(25).muted(24, "alice", &track("TR_1")).updated, 1, "one after the other");
    assert!(!fixture.is_muted("alice"));
}

#[test]
fn an_answer_that_says_what_is_shown_already_overlaps_others_all_the_same() {
    let mut fixture = with_alice();
    fixture.at(20).muted(20, "alice", &muted("TR_1"));
    fixture.at(26).muted(24, "alice", &muted("TR_1"));
    assert_eq!(fixture.at(27).muted(25, "alice", &track("TR_1")).outdated, 1);
    assert!(fixture.is_muted("alice"));
}

#[test]
fn a_list_that_found_nothing_to_repair_is_newer_than_a_mute_that_was_asked_for_before() {
    let mut fixture = with_alice();
    let listed = || vec![session("alice", "PA_1", 10).with_track("TR_1")];
    fixture.at(20).reconciled(20, listed());
    fixture.at(23).reconciled(22, listed());
    assert_eq!(fixture.at(24).muted(21, "alice", &muted("TR_1")).outdated, 1);
    assert!(!fixture.is_muted("alice"));
}

#[test]
fn a_mute_is_older_than_a_list_that_was_asked_for_after_it() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(22).reconciled(21, vec![session("alice", "PA_1", 10).version(9).with_track("TR_1")]);
    let alice = Identity::new("alice");
    let counts = fixture.moderated(20, &before, |room| room.after_mute(&alice, &muted("TR_1")));
    assert_eq!(counts.outdated, 1, "somebody has unmuted it, and the list shows that");
    assert!(!fixture.is_muted("alice"));
}

#[test]
fn a_room_that_was_ended_is_empty_and_closed_and_its_finish_changes_nothing() {
    let mut fixture = with_alice();
    fixture.at(11).joined(session("ghost", "PA_9", 11).hidden());
    let before = fixture.room.clone();
    let counts = fixture.at(20).moderated(20, &before, Room::after_end);
    assert_eq!((counts.removed, counts.noted), (2, 1));
    assert_eq!(fixture.list(), NOBODY);
    assert!(!fixture.room.is_active() && fixture.is_complete());
    assert_eq!(fixture.finished(), Applied::Unchanged);
    fixture.at(30).started();
    fixture.joined(session("alice", "PA_2", 30));
    assert_eq!(fixture.list(), ["alice/PA_2"]);
}

#[test]
fn who_joins_a_room_that_is_being_ended_keeps_it_open_until_its_finish() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(20).joined(session("bob", "PA_2", 20));
    fixture.moderated(19, &before, Room::after_end);
    assert_eq!(fixture.list(), ["bob/PA_2"], "LiveKit says by itself whether he was removed");
    assert!(fixture.room.open_instance().is_some());
}

#[test]
fn the_end_of_a_room_does_not_touch_the_next_life_of_it() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(20).finished();
    fixture.at(21).started();
    fixture.joined(session("bob", "PA_2", 21));
    let repairs = Repairs::moderated(&before, Fixture::time(19), before.after_end());
    let repaired = fixture.room.repair(&repairs, fixture.now, &fixture.rules);
    assert!(repaired.is_refused);
    assert_eq!(fixture.list(), ["bob/PA_2"]);
}

#[test]
fn a_part_of_a_room_is_enough_to_apply_an_answer_and_keeps_it() {
    let mut fixture = with_alice();
    fixture.at(11).joined(session("bob", "PA_2", 11));
    let kept = slice::Kept::of(&fixture);
    let mut part = kept.slice(&["bob", "carol"]);
    let ended = |sid, identity| Repair::Ended {
        sid: ParticipantSid::new(sid),
        identity: Identity::new(identity),
    };
    let steps = vec![ended("PA_2", "bob"), ended("PA_3", "carol"), Repair::Closed];
    let repairs = Repairs::moderated(&fixture.room, Fixture::time(20), steps);
    let whom: Vec<_> = repairs.subjects(&fixture.room).of(0..3).unwrap().into_iter().collect();
    assert_eq!(whom, [Identity::new("bob"), Identity::new("carol")]);
    let step = part.repair(&repairs, Some(&whom), Fixture::time(20), &fixture.rules).unwrap();
    assert_eq!((step.outcome.counts.removed, step.outcome.counts.noted), (1, 1));
    for (identity, sid) in [("bob", "PA_2"), ("carol", "PA_3")] {
        let row = part.person_row(&Identity::new(identity));
        assert_eq!(row.gone[0].sid, ParticipantSid::new(sid), "it stays gone for everybody");
    }
    assert!(!step.outcome.found_ended, "Alice is inside");
}
