//! What LiveKit keeps of the people, read again because it changed: it describes them, and decides nothing about who is there.

use super::*;

impl Fixture {
    /// Reads what LiveKit keeps, asked for `asked_at` seconds after the start, and applies it now.
    fn refreshed(&mut self, asked_at: u64, who: Vec<Who>) -> (RepairCounts, Refresh) {
        let sessions = who.into_iter().map(|who| who.0).collect();
        let listing = Listing { asked_at: Self::time(asked_at), sessions };
        let refresh = plan_refresh(&self.room, &listing, &self.rules);
        (self.repaired(&refresh.repairs), refresh)
    }

    fn life_of(&self, sid: &str) -> (Standing, Life) {
        let mut sessions = self.room.sessions();
        let session = sessions.find(|session| session.sid().as_str() == sid).unwrap();
        (session.standing(), session.life.clone())
    }
}

fn with_alice() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.published("PA_1", "TR_1");
    fixture
}

fn alice() -> Who {
    session("alice", "PA_1", 10).with_track("TR_1")
}

fn muted(mut who: Who) -> Who {
    who.0.tracks[0].muted = true;
    who
}

fn sids(refresh: &Refresh) -> Vec<&str> {
    let sids = refresh.differing.iter().map(|one| match one {
        Differing::NotHeld(sid) | Differing::NotKept(sid) => sid.as_str(),
    });
    sids.collect()
}

#[test]
fn what_no_webhook_tells_is_shown_and_what_is_the_same_writes_nothing() {
    let mut fixture = with_alice();
    let (counts, _) = fixture.at(20).refreshed(20, vec![muted(alice())]);
    assert_eq!(counts.updated, 1);
    assert!(fixture.room.list()[0].tracks[0].muted);
    let named = || muted(alice().version(3).named("Alice"));
    fixture.at(21).refreshed(21, vec![named()]);
    assert_eq!(fixture.room.list()[0].profile.name, "Alice");
    let (_, refresh) = fixture.at(22).refreshed(22, vec![named()]);
    assert_eq!(refresh.repairs.steps, []);
    fixture.at(23).refreshed(23, vec![named().version(4).hidden()]);
    assert_eq!(fixture.list(), NOBODY);
    fixture.at(24).refreshed(24, vec![named().version(5)]);
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
}

#[test]
fn nobody_comes_or_goes_by_it_and_it_says_who_differs() {
    let mut fixture = with_alice();
    let (counts, refresh) = fixture.at(20).refreshed(20, vec![session("bob", "PA_2", 19)]);
    assert_eq!(counts, RepairCounts::default());
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1]"]);
    assert_eq!(sids(&refresh), ["PA_2", "PA_1"], "who is not held, and who is not kept");
    let (_, refresh) = fixture.at(21).refreshed(21, vec![alice()]);
    assert_eq!(sids(&refresh), [""; 0]);
    let connecting = session("bob", "PA_2", 19).state(SessionState::Connecting);
    let (_, refresh) = fixture.at(22).refreshed(22, vec![alice(), connecting]);
    assert_eq!(sids(&refresh), [""; 0], "he does not take part yet");
    fixture.at(30).joined(session("carol", "PA_3", 30));
    let (_, refresh) = fixture.at(31).refreshed(29, vec![alice()]);
    assert_eq!(sids(&refresh), [""; 0], "she came after it was read");
}

#[test]
fn it_is_no_list_for_ghosts_suspects_and_people_who_were_omitted() {
    let mut fixture = Fixture::new();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.at(15).reconciled(15, vec![session("alice", "PA_1", 10).version(3)]);
    fixture.at(30).started();
    fixture.at(40).reconciled(40, vec![session("alice", "PA_1", 10).version(3)]);
    assert_eq!(fixture.list(), NOBODY, "a suspect");
    let before = fixture.life_of("PA_1");
    // LiveKit's node had written this before it crashed, and a replica had it later.
    fixture.at(50).refreshed(50, vec![session("alice", "PA_1", 10).version(4)]);
    assert_eq!(fixture.life_of("PA_1"), before);
    assert_eq!(fixture.list(), NOBODY);

    let mut fixture = with_alice();
    fixture.at(40).compared(40, vec![], 40, ProbeAnswer::Unanswered);
    let before = fixture.life_of("PA_1");
    assert!(before.1.missing_since.is_some() && !fixture.is_complete());
    fixture.at(41).refreshed(41, vec![alice().version(9)]);
    assert_eq!(fixture.life_of("PA_1"), before, "a probe, or a list, has to tell");
}

#[test]
fn a_comparison_after_it_finds_the_sign_of_life_that_it_would_have_found_without_it() {
    for is_refreshed in [false, true] {
        let mut fixture = with_alice();
        fixture.at(20).reconciled(20, vec![alice()]);
        if is_refreshed {
            fixture.at(30).refreshed(30, vec![alice().version(3)]);
        }
        fixture.at(40).reconciled(40, vec![alice().version(3)]);
        assert_eq!(fixture.life_of("PA_1").1.alive_at, Fixture::time(40), "{is_refreshed}");
    }
}

// The list has a sid that counts as listed, with no version of its own.
#[test]
fn a_room_without_a_list_gives_nobody_a_sign_of_life_for_what_was_read() {
    let mut fixture = Fixture::new();
    fixture.at(5).started();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.at(20).reconciled(20, vec![session("alice", "PA_1", 10)]);
    fixture.at(30).refreshed(30, vec![session("alice", "PA_1", 10).version(3)]);
    fixture.at(40).compared(40, vec![], 40, ProbeAnswer::Unanswered);
    let repairs = plan_without_list(&fixture.room, Fixture::time(41));
    fixture.at(41).repaired(&repairs);
    assert_eq!(fixture.life_of("PA_1").1.alive_at, Fixture::time(10));
}

// Muting raises no version.
#[test]
fn of_two_readings_the_one_that_was_asked_for_later_counts_whatever_comes_first() {
    let mut fixture = with_alice();
    fixture.at(22).refreshed(21, vec![muted(alice())]);
    let (counts, refresh) = fixture.at(23).refreshed(20, vec![alice()]);
    assert_eq!(counts, RepairCounts::default());
    assert!(refresh.is_overtaken, "another reading tells");
    assert!(fixture.room.list()[0].tracks[0].muted);
    fixture.at(24).reconciled(20, vec![alice()]);
    assert!(fixture.room.list()[0].tracks[0].muted, "nor does an older list undo it");
    let (_, refresh) = fixture.at(25).refreshed(25, vec![alice()]);
    assert!(!refresh.is_overtaken && !fixture.room.list()[0].tracks[0].muted);
}

#[test]
fn what_webhooks_did_since_it_was_read_stands_and_another_reading_tells() {
    let mut fixture = with_alice();
    fixture.at(21).published("PA_1", "TR_2");
    let (_, refresh) = fixture.at(22).refreshed(20, vec![muted(alice())]);
    assert!(refresh.is_overtaken);
    assert_eq!(fixture.list(), ["alice/PA_1[TR_1,TR_2]"]);
    fixture.at(23).refreshed(23, vec![muted(alice().version(3).with_track("TR_2"))]);
    assert!(fixture.room.list()[0].tracks[0].muted);
    fixture.at(24).left("PA_1");
    let (_, refresh) = fixture.at(25).refreshed(23, vec![alice().version(4)]);
    assert_eq!(fixture.list(), NOBODY);
    assert_eq!(sids(&refresh), ["PA_1"]);
}

#[test]
fn a_moderators_answer_that_was_asked_for_before_it_does_not_undo_it() {
    let mut fixture = with_alice();
    let before = fixture.room.clone();
    fixture.at(21).refreshed(21, vec![muted(alice())]);
    let steps = before.after_mute(&Identity::new("alice"), &track("TR_1"));
    let repairs = Repairs::moderated(&before, Fixture::time(20), steps);
    fixture.at(22).repaired(&repairs);
    assert!(fixture.room.list()[0].tracks[0].muted);
}

#[test]
fn after_another_start_or_end_of_the_room_it_is_refused() {
    let mut fixture = with_alice();
    let listing = Listing { asked_at: Fixture::time(20), sessions: vec![muted(alice()).0] };
    let refresh = plan_refresh(&fixture.room, &listing, &fixture.rules);
    fixture.at(21).started();
    assert!(fixture.room.repair(&refresh.repairs, fixture.now, &fixture.rules).is_refused);
}
