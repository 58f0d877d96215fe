//! Who is banned is never shown.

use std::time::Duration;

use super::*;

impl Fixture {
    /// Bans somebody until `secs` after the start, or for ever.
    fn banned(&mut self, identity: &str, until: Option<u64>) -> BanChanged {
        let ban = Ban {
            until: until.map(Self::time),
            at: self.now,
            by: "moderator".to_owned(),
            reason: None,
        };
        self.ban(identity, Some(ban))
    }

    fn unbanned(&mut self, identity: &str) -> BanChanged {
        self.ban(identity, None)
    }

    fn ban(&mut self, identity: &str, ban: Option<Ban>) -> BanChanged {
        let changed = self.room.ban(&Identity::new(identity), ban, self.now);
        if let Some(change) = &changed.change {
            self.tell(change.clone());
        }
        self.assert_told();
        changed
    }
}

fn two_inside() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.started();
    fixture.at(10).joined(session("alice", "PA_1", 10));
    fixture.at(20).joined(session("bob", "PA_2", 20).with_track("TR_1"));
    fixture
}

fn of_banned(applied: &Applied) -> &Applied {
    match applied {
        Applied::OfBanned(applied) => applied,
        other => panic!("it does not show that a banned person is inside: {other:?}"),
    }
}

#[test]
fn who_is_banned_leaves_the_list_at_once_and_returns_when_the_ban_is_lifted() {
    let mut fixture = two_inside();
    let changed = fixture.at(30).banned("bob", None);
    assert_eq!(changed.before, None);
    assert_eq!(changed.inside, [ParticipantSid::new("PA_2")]);
    assert_eq!(changed.change.unwrap().left.len(), 1);
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    assert_eq!(fixture.room.counts(), Counts { people: 1, agents: 0, publishers: 0 });

    let changed = fixture.at(40).unbanned("bob");
    assert!(changed.before.is_some());
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]"]);
    assert_eq!(
        fixture.unbanned("bob"),
        BanChanged { inside: changed.inside, ..Default::default() }
    );
}

#[test]
fn transitions_say_that_a_ban_took_somebody_out_and_that_lifting_it_brought_them_back() {
    let mut fixture = two_inside();
    let (mut out, mut back) = (Vec::new(), Vec::new());
    let bob = Identity::new("bob");
    let ban = Ban { until: None, at: fixture.now, by: "moderator".to_owned(), reason: None };
    fixture.room.ban_noting(&bob, Some(ban), fixture.now, &mut out);
    fixture.room.ban_noting(&bob, None, fixture.now, &mut back);
    assert!(matches!(&*out, [Transition::Left(left, Ending::Banned)] if left.identity == bob));
    assert!(matches!(&*back, [Transition::Joined(one, Entrance::Unbanned)] if one.identity == bob));
}

#[test]
fn who_is_banned_and_comes_is_never_shown_and_every_event_says_that_they_are_inside() {
    let mut fixture = two_inside();
    fixture.at(30).banned("carol", None);
    let joined = fixture.at(40).joined(session("carol", "PA_3", 40));
    assert_eq!(*of_banned(&joined), Applied::Unchanged);
    let published = fixture.at(41).published("PA_3", "TR_9");
    assert_eq!(*of_banned(&published), Applied::Unchanged);
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]"]);
    // The answer to the first attempt was lost, and LiveKit sends it again.
    let again = fixture.events[3].1.clone();
    assert_eq!(*of_banned(&fixture.at(42).apply(&again)), Applied::Duplicate);
    assert_eq!(fixture.at(43).left("PA_3"), Applied::Unchanged, "they are out");
    assert_eq!(fixture.at(44).unbanned("carol").inside, []);
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]"]);
}

#[test]
fn a_comparison_keeps_a_banned_person_hidden_too() {
    let mut fixture = two_inside();
    fixture.at(30).banned("carol", None);
    let inside = || {
        vec![
            session("alice", "PA_1", 10),
            session("bob", "PA_2", 20).with_track("TR_1"),
            session("carol", "PA_3", 35),
        ]
    };
    let counts = fixture.at(50).reconciled(50, inside());
    assert_eq!(counts.added, 1, "the room holds the session");
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]"]);
    assert!(fixture.is_complete());
    fixture.at(60).unbanned("carol");
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]", "carol/PA_3"]);
}

#[test]
fn a_ban_is_over_with_the_first_step_about_the_person_after_its_time() {
    let mut fixture = two_inside();
    fixture.at(30).banned("bob", Some(60));
    fixture.at(59).published("PA_1", "TR_2");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_2]"]);
    let mut event = fixture.at(60).event(EventKind::TrackPublished {
        sid: ParticipantSid::new("PA_2"),
        track: track("TR_3"),
    });
    event.identity = Some(Identity::new("bob"));
    assert!(matches!(fixture.apply(&event), Applied::Changed(_)));
    assert_eq!(fixture.list(), ["alice/PA_1[TR_2]", "bob/PA_2[TR_1,TR_3]"]);
    assert!(fixture.room.ban_of(&Identity::new("bob")).is_none());

    fixture.banned("bob", Some(70));
    let joined = fixture.at(71).joined(session("bob", "PA_4", 71));
    assert!(matches!(joined, Applied::Changed(_)), "they may come again");
    assert_eq!(fixture.list(), ["alice/PA_1[TR_2]", "bob/PA_4"]);
}

#[test]
fn a_comparison_ends_the_bans_whose_time_is_over() {
    let mut fixture = two_inside();
    fixture.at(30).banned("bob", Some(60));
    fixture.banned("zoe", Some(60));
    let inside =
        || vec![session("alice", "PA_1", 10), session("bob", "PA_2", 20).with_track("TR_1")];
    fixture.at(59).reconciled(59, inside());
    assert_eq!(fixture.list(), ["alice/PA_1"]);
    fixture.at(61).reconciled(61, inside());
    assert_eq!(fixture.list(), ["alice/PA_1", "bob/PA_2[TR_1]"]);
    assert_eq!(fixture.room.bans().count(), 0);
}

#[test]
fn what_a_session_did_while_its_person_was_banned_stays_unseen_though_the_ban_is_over_when_it_ends()
{
    let mut fixture = two_inside();
    fixture.at(30).banned("carol", Some(60));
    fixture.at(40).joined(session("carol", "PA_3", 40));
    let leave = EventKind::Left { sid: ParticipantSid::new("PA_3"), was_active: true };
    let mut leave = fixture.at(61).event(leave);
    leave.identity = Some(Identity::new("carol"));
    let participant = session("carol", "PA_3", 40).0.as_participant();
    let details = EventDetails { participant: Some(participant), ..EventDetails::default() };
    leave.details = Arc::new(details);
    let mut transitions = Vec::new();
    let (now, rules) = (fixture.now, fixture.rules.clone());
    let applied = fixture.room.apply_noting(&leave, now, &rules, &mut transitions);
    assert_eq!((&applied, transitions.len()), (&Applied::Unchanged, 0));
    let step =
        StepTaken::of_event(&fixture.room, &leave, &applied, &transitions, fixture.now, false);
    assert_eq!(step.records(), []);
}

#[test]
fn the_history_ends_a_stay_with_the_ban_and_hears_nothing_of_a_banned_person() {
    let mut fixture = two_inside();
    let bob = Identity::new("bob");
    let ban = Ban { until: None, at: fixture.now, by: "moderator".to_owned(), reason: None };
    let mut transitions = Vec::new();
    fixture.room.ban_noting(&bob, Some(ban), Fixture::time(30), &mut transitions);
    let step = StepTaken::of_ban(&fixture.room, &transitions, Fixture::time(30), false);
    let records = step.records();
    assert!(
        matches!(&*records, [Record::Left(left)] if left.why == LeftWhy::Hidden && left.stay.identity == bob),
        "{records:?}"
    );
    for kind in [
        EventKind::Joined(session("bob", "PA_5", 40).0),
        EventKind::Joined(session("bob", "PA_4", 39).0),
        EventKind::Left { sid: ParticipantSid::new("PA_5"), was_active: true },
        EventKind::Joined(session("bob", "PA_5", 40).0),
    ] {
        let mut event = fixture.at(40).event(kind);
        event.identity = Some(bob.clone());
        let participant = session("bob", "PA_5", 40).0.as_participant();
        event.details =
            Arc::new(EventDetails { participant: Some(participant), ..EventDetails::default() });
        let mut transitions = Vec::new();
        let (now, rules) = (fixture.now, fixture.rules.clone());
        let applied = fixture.room.apply_noting(&event, now, &rules, &mut transitions);
        let step =
            StepTaken::of_event(&fixture.room, &event, &applied, &transitions, fixture.now, false);
        assert_eq!(step.records(), [], "{event:?}");
    }
}

#[test]
fn a_ban_alone_makes_no_room_that_clients_know() {
    let mut fixture = Fixture::new();
    let changed = fixture.at(5).banned("alice", None);
    assert_eq!(changed, BanChanged::default());
    assert_eq!((fixture.room.version(), fixture.room.is_active()), (Version::ZERO, false));
    let joined = fixture.at(6).joined(session("alice", "PA_1", 6));
    assert!(matches!(of_banned(&joined), Applied::Changed(change) if change.joined.is_empty()));
    assert_eq!(fixture.list(), NOBODY);
    assert!(!fixture.room.is_active(), "nobody visible is in it");
}

#[test]
fn a_row_keeps_a_ban_of_somebody_who_was_never_there_and_the_room_is_kept_until_it_ends() {
    let mut slice = RoomSlice::new(None);
    let (alice, now) = (Identity::new("alice"), Fixture::time(0));
    let ban = |until| Ban { until, at: now, by: "moderator".to_owned(), reason: None };
    let until = now + Duration::from_hours(100);
    slice.ban(&alice, Some(ban(Some(until))), now).unwrap();
    assert_eq!(slice.bans_kept_until(now), until);
    let row = serde_json::to_string(&slice.row()).unwrap();
    let person = serde_json::to_string(&slice.person_row(&alice)).unwrap();

    let mut again = RoomSlice::new(Some(serde_json::from_str(&row).unwrap()));
    assert_eq!(again.bans_kept_until(now), until, "the room's own row tells");
    let needs = again.ban(&alice, None, now).unwrap_err();
    assert_eq!(needs, Needs::Person(alice.clone()));
    again.load(&alice, Some(serde_json::from_str(&person).unwrap()));
    assert_eq!(again.ban_of(&alice), Some(&ban(Some(until))));
    again.loaded_everybody();
    assert_eq!(again.forget_some(10, until - Duration::from_secs(1)), []);
    assert_eq!(again.forget_some(10, until), std::slice::from_ref(&alice), "then it is over");
    assert!(again.person_row(&alice).is_empty());

    let mut endless = RoomSlice::new(None);
    endless.ban(&alice, Some(ban(None)), now).unwrap();
    assert_eq!(endless.bans_kept_until(now), now + Duration::from_hours(365 * 24));
    endless.ban(&alice, None, now).unwrap();
    assert!(endless.person_row(&alice).is_empty(), "nothing is left of a ban that was lifted");
}

#[test]
fn a_room_that_is_forgotten_keeps_the_bans_that_hold() {
    let mut fixture = two_inside();
    fixture.at(30).banned("bob", Some(60));
    fixture.banned("carol", None);
    let bans = fixture.room.bans_alone(Fixture::time(60)).unwrap();
    let banned: Vec<_> = bans.bans().map(|(identity, _)| identity.as_str()).collect();
    assert_eq!((banned, bans.version()), (vec!["carol"], Version::ZERO));
    assert_eq!(bans.sessions().count(), 0);
    fixture.unbanned("carol");
    assert!(fixture.room.bans_alone(Fixture::time(60)).is_none());
}

#[test]
fn who_is_added_after_the_time_of_their_ban_is_shown_whenever_that_was_planned() {
    let mut fixture = two_inside();
    let carol = session("carol", "PA_3", 40).0;
    fixture.at(30).banned("carol", Some(60));
    let while_banned = fixture.at(50).now;
    let listed = Listing { asked_at: while_banned, sessions: vec![carol.clone()] };
    let by_list = plan(&fixture.room, &listed, &[], &fixture.rules);
    let steps = fixture.room.after_update(&carol);
    let by_moderator = Repairs::moderated(&fixture.room, while_banned, steps);
    for repairs in [by_list, by_moderator] {
        let mut room = fixture.room.clone();
        room.repair(&repairs, Fixture::time(59), &fixture.rules);
        assert_eq!(room.shown_session(&carol.sid), None, "it holds");
        let mut room = fixture.room.clone();
        room.repair(&repairs, Fixture::time(60), &fixture.rules);
        assert!(room.shown_session(&carol.sid).is_some(), "it is over");
        assert_eq!(room.bans().count(), 0);
    }
}
