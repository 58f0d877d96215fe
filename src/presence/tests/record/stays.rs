//! When somebody was in a room, and what they sent.

use super::*;

#[test]
fn a_stay_begins_when_livekit_says_and_ends_when_its_webhook_comes() {
    let mut noted = Noted::new();
    let mut start = noted.at(0, EventKind::Room(RoomLifecycle::Started));
    start.room_created_at = Some(LiveKitTime::from_millis(LIVEKIT_EPOCH * 1000 + 123));
    assert_eq!(noted.apply(&start), ["opened RM_1 0.123, said 0.000"]);
    assert_eq!(
        noted.joined(5, session("alice", "PA_1", 4)),
        ["shown alice/PA_1 in RM_1 since 4.000, seen 5.250, Webhook"]
    );
    assert_eq!(
        noted.left(9, session("alice", "PA_1", 4)),
        ["left alice/PA_1 in RM_1 9.250, Said, Webhook CLIENT_INITIATED"]
    );
    let end = noted.at(12, EventKind::Room(RoomLifecycle::Finished));
    let details = EventDetails {
        room_end_reason: Some("DEPARTURE_TIMEOUT".into()),
        ..EventDetails::default()
    };
    let end = Event { details: Arc::new(details), ..end };
    assert_eq!(noted.apply(&end), ["closed RM_1 12.250, Webhook DEPARTURE_TIMEOUT"]);
    assert!(noted.apply(&end).is_empty(), "a repeated webhook says nothing new");
}

#[test]
fn a_leave_that_comes_late_ended_in_livekits_second_and_none_ends_before_it_began() {
    for (arrives_at, created_at, expected) in [
        (9_999, 9, "9.999"),
        (11_000, 9, "11.000"),
        (11_001, 9, "about 9.000"),
        (7_000, 9, "7.000"),
        (6_999, 9, "about 9.000"),
        // This instance's clock is behind, or the second began before the join.
        (3_500, 4, "about 4.500"),
        (60_000, 4, "about 4.500"),
    ] {
        let mut noted = Noted::started();
        let mut alice = session("alice", "PA_1", 4);
        alice.0.joined_at = LiveKitTime::from_millis(LIVEKIT_EPOCH * 1000 + 4_500);
        noted.joined(5, session("alice", "PA_1", 4));
        noted.fixture.room = Room::default();
        let mut leave = noted.leave(created_at, alice);
        leave.received_at = arrival(arrives_at);
        let expected =
            format!("left alice/PA_1 in RM_1 {expected}, Said, Webhook CLIENT_INITIATED");
        assert_eq!(noted.apply(&leave), [expected], "{arrives_at} {created_at}");
    }
    let mut noted = Noted::started();
    noted.joined(5, session("alice", "PA_1", 4));
    let mut leave = noted.leave(9, session("alice", "PA_1", 4));
    leave.created_at = LiveKitTime::default();
    let expected = "left alice/PA_1 in RM_1 about 9.250, Said, Webhook CLIENT_INITIATED";
    assert_eq!(noted.apply(&leave), [expected], "LiveKit does not say when");
}

#[test]
fn what_somebody_publishes_counts_by_its_source_and_while_it_is_not_muted() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    let sid = ParticipantSid::new("PA_1");
    let of = |sid: &str, source, muted| Track { source, muted, ..track(sid) };
    let camera = of("TR_2", TrackSource::Camera, false);
    for (track, expected) in [
        (of("TR_1", TrackSource::Microphone, false), " mic"),
        (camera.clone(), " mic cam"),
        (of("TR_3", TrackSource::ScreenShare, false), " mic cam screen"),
        (of("TR_4", TrackSource::ScreenShareAudio, false), " mic cam screen"),
    ] {
        let published =
            noted.at(2, EventKind::TrackPublished { sid: sid.clone(), track: track.clone() });
        let expected =
            format!("shown alice/PA_1 in RM_1 since 1.000, seen 2.250, Webhook{expected}");
        assert_eq!(noted.apply(&published), [expected], "{track:?}");
    }
    let unpublished =
        noted.at(3, EventKind::TrackUnpublished { sid, track: TrackSid::new("TR_3") });
    assert_eq!(
        noted.apply(&unpublished),
        ["shown alice/PA_1 in RM_1 since 1.000, seen 3.250, Webhook mic cam"]
    );
    // No webhook tells of a mute. A list does.
    let mut alice = session("alice", "PA_1", 1).version(9);
    alice.0.tracks = vec![of("TR_1", TrackSource::Microphone, true), camera];
    assert_eq!(
        noted.compared(20, vec![alice]),
        ["shown alice/PA_1 in RM_1 since 1.000, seen store 21.000, Comparison cam"]
    );
}

#[test]
fn a_leave_whose_join_was_lost_makes_a_stay_and_an_aborted_session_none() {
    let mut noted = Noted::started();
    assert_eq!(
        noted.left(9, session("alice", "PA_1", 4)),
        ["left alice/PA_1 in RM_1 9.250, Said, Webhook CLIENT_INITIATED"]
    );
    let abort = |noted: &mut Noted| {
        let leave = noted.leave(12, session("bob", "PA_2", 5));
        let kind = EventKind::Left { sid: ParticipantSid::new("PA_2"), was_active: false };
        Event { kind, ..leave }
    };
    let aborted = abort(&mut noted);
    assert!(noted.apply(&aborted).is_empty());
    // A list has shown it.
    let mut noted = Noted::started();
    noted.compared(10, vec![session("bob", "PA_2", 5)]);
    let aborted = abort(&mut noted);
    assert_eq!(
        noted.apply(&aborted),
        ["left bob/PA_2 in RM_1 12.250, Said, Webhook CLIENT_INITIATED"]
    );
}

#[test]
fn only_what_may_be_seen_of_a_session_is_in_the_history() {
    let mut noted = Noted::started();
    for who in [
        session("ghost", "PA_1", 1).hidden(),
        session("recorder", "PA_2", 1).recorder(),
        session("egress", "PA_3", 1).kind("EGRESS"),
    ] {
        let sid = who.0.sid.clone();
        let again = Who(who.0.clone());
        assert!(noted.joined(1, who).is_empty(), "{sid} joins");
        let track = track("TR_1");
        let published = noted.at(2, EventKind::TrackPublished { sid: sid.clone(), track });
        assert!(noted.apply(&published).is_empty(), "{sid} publishes");
        assert!(noted.left(3, again).is_empty(), "{sid} leaves");
    }
    noted.joined(4, session("alice", "PA_4", 4));
    assert_eq!(
        noted.compared(20, vec![session("alice", "PA_4", 4).hidden().version(3)]),
        ["left alice/PA_4 about store 21.000, Hidden, Comparison"]
    );
    assert_eq!(
        noted.compared(40, vec![session("alice", "PA_4", 4).version(4)]),
        ["shown alice/PA_4 in RM_1 since store 41.000, seen store 41.000, Comparison again"]
    );
    noted.compared(60, vec![session("alice", "PA_4", 4).hidden().version(5)]);
    assert!(noted.left(70, session("alice", "PA_4", 4).hidden()).is_empty());
}

#[test]
fn a_leave_tells_nothing_of_a_session_that_was_hidden_until_then() {
    let mut noted = Noted::started();
    noted.joined(1, session("ghost", "PA_1", 1).hidden());
    assert!(noted.left(9, session("ghost", "PA_1", 1).version(3)).is_empty());
    noted.joined(1, session("alice", "PA_2", 1));
    noted.compared(20, vec![session("alice", "PA_2", 1).hidden().version(3)]);
    assert!(noted.left(30, session("alice", "PA_2", 1).version(4)).is_empty());
    // One that was shown meanwhile, and one of which nothing is known.
    noted.joined(31, session("bob", "PA_3", 31).hidden());
    noted.compared(40, vec![session("bob", "PA_3", 31).version(3)]);
    for who in [session("bob", "PA_3", 31), session("carol", "PA_4", 35)] {
        assert_eq!(noted.left(50, who).len(), 1);
    }
}

#[test]
fn a_late_leave_tells_nothing_of_a_session_that_was_hidden_when_something_else_ended_it() {
    type End<'end> = &'end dyn Fn(&mut Noted);

    let finish = |noted: &mut Noted| {
        let end = noted.at(30, EventKind::Room(RoomLifecycle::Finished));
        noted.apply(&end);
    };
    let restart = |noted: &mut Noted| {
        let start = noted.at(30, EventKind::Room(RoomLifecycle::Started));
        noted.apply(&start);
    };
    let replace = |noted: &mut Noted| _ = noted.joined(30, session("alice", "PA_2", 30));
    let omit = |noted: &mut Noted| _ = noted.compared(60, vec![]);
    let ends: [(&str, End<'_>); 4] = [
        ("the end of the room", &finish),
        ("a crash of LiveKit", &restart),
        ("a newer session", &replace),
        ("a comparison", &omit),
    ];
    for (what, end) in ends {
        let mut noted = Noted::started();
        noted.joined(1, session("alice", "PA_1", 1).hidden());
        end(&mut noted);
        assert!(noted.fixture.room.is_gone(&ParticipantSid::new("PA_1")), "{what}");
        let visible = || session("alice", "PA_1", 1).version(9);
        assert_eq!(noted.left(62, visible()), [""; 0], "{what}");
        assert_eq!(noted.left(63, visible()), [""; 0], "{what}, and another leave");
    }
    // It was revealed before it ended.
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1).hidden());
    noted.compared(20, vec![session("alice", "PA_1", 1).version(3)]);
    replace(&mut noted);
    assert_eq!(noted.left(62, session("alice", "PA_1", 1)).len(), 1);
}

#[test]
fn a_webhook_confirms_whom_a_list_showed_before_and_says_in_which_instance_they_are() {
    let mut noted = Noted::started();
    let end = noted.at(5, EventKind::Room(RoomLifecycle::Finished));
    noted.apply(&end);
    assert_eq!(
        noted.compared(20, vec![session("alice", "PA_1", 15).with_track("TR_1")]),
        ["shown alice/PA_1 since 15.000, seen store 21.000, Comparison mic"],
        "the instance that was known is over"
    );
    let mut join = noted.at(22, EventKind::Joined(session("alice", "PA_1", 15).0));
    join.room_sid = Some(RoomSid::new("RM_2"));
    assert_eq!(
        noted.apply(&join),
        ["shown alice/PA_1 in RM_2 since 15.000, seen 22.250, Webhook mic"]
    );
    assert!(noted.apply(&join).is_empty(), "a repeated webhook says nothing new");
}

#[test]
fn whom_a_list_shows_is_in_the_instance_that_was_made_before_they_joined() {
    let mut noted = Noted::started();
    noted.compared(10, vec![session("alice", "PA_1", 8)]);
    let mut join = noted.at(12, EventKind::Joined(session("bob", "PA_2", 12).0));
    join.room_sid = Some(RoomSid::new("RM_2"));
    join.room_created_at = Some(LiveKitTime::from_secs(LIVEKIT_EPOCH + 9));
    noted.apply(&join);
    let list = |version, joined| {
        vec![
            session("alice", "PA_1", 8).named("Alice").version(version),
            session("bob", "PA_2", 12),
            session("carol", "PA_3", joined),
        ]
    };
    assert_eq!(
        noted.compared(20, list(3, 15)),
        [
            "shown carol/PA_3 in RM_2 since 15.000, seen store 21.000, Comparison",
            "shown alice/PA_1 in RM_1 since 8.000, seen store 21.000, Comparison",
        ]
    );
}

#[test]
fn an_older_session_that_is_there_after_all_was_never_hidden() {
    let mut noted = Noted::started();
    noted.joined(1, session("alice", "PA_1", 1));
    let newer = || session("alice", "PA_2", 5);
    let mut add = noted.at(6, EventKind::Joined(newer().0));
    noted.apply(&add);
    noted.compared(30, vec![]);
    // Both were taken for gone, and both show life.
    add.id = None;
    let sid = ParticipantSid::new("PA_1");
    noted.fixture.room.gone = Arc::default();
    let older = noted.at(31, EventKind::Joined(session("alice", "PA_1", 1).0));
    assert_eq!(noted.apply(&older), ["shown alice/PA_1 in RM_1 since 1.000, seen 31.250, Webhook"]);
    let again = noted.after_probe(32, Repair::Alive(newer().0.sid));
    assert_eq!(
        again,
        [
            "left alice/PA_1 about 5.000, Concluded, Comparison",
            "shown alice/PA_2 in RM_1 since 5.000, seen store 32.000, Comparison",
        ]
    );
    assert_eq!(
        noted.left(40, newer()),
        [
            "left alice/PA_2 in RM_1 40.250, Said, Webhook CLIENT_INITIATED",
            "shown alice/PA_1 in RM_1 since 1.000, seen store 40.000, Comparison",
        ],
        "{sid} is still there"
    );
}

#[test]
fn metadata_is_told_only_where_it_is_wanted() {
    for (metadata, expected) in [(false, None), (true, Some("secret"))] {
        let mut noted = Noted { metadata, ..Noted::new() };
        let mut alice = session("alice", "PA_1", 1).agent();
        let mut profile = (*alice.0.profile).clone();
        profile.metadata = "secret".into();
        alice.0.profile = Arc::new(profile);
        let event = noted.at(1, EventKind::Joined(alice.0));
        let mut transitions = Vec::new();
        let Fixture { room, rules, now, .. } = &mut noted.fixture;
        let applied = room.apply_noting(&event, *now, rules, &mut transitions);
        let step = StepTaken::of_event(room, &event, &applied, &transitions, *now, metadata);
        let [Record::Shown(shown)] = &step.records()[..] else { panic!("she joined") };
        assert_eq!(shown.stay.metadata.as_deref(), expected);
        assert!(shown.stay.agent);
    }
}

// An outbox keeps records as they are written here, and another release may read them.
#[test]
fn records_are_written_as_they_will_be_read() {
    let mut noted = Noted::started();
    let mut alice = session("alice", "PA_1", 1).named("Alice").with_track("TR_1");
    alice.0.joined_at = LiveKitTime::from_millis(LIVEKIT_EPOCH * 1000 + 1_268);
    let event = noted.at(1, EventKind::Joined(alice.0));
    let mut transitions = Vec::new();
    let Fixture { room, rules, now, .. } = &mut noted.fixture;
    let applied = room.apply_noting(&event, *now, rules, &mut transitions);
    let step = StepTaken::of_event(room, &event, &applied, &transitions, *now, false);
    let records = step.records();
    let json = r#"[{"shown":{"stay":{"sid":"PA_1","identity":"alice","roomSid":"RM_1","joinedAt":1700000001268,"name":"Alice"},"since":1700000001268,"media":{"microphone":true},"at":1700000001268,"toldBy":"webhook"}}]"#;
    assert_eq!(serde_json::to_string(&records).unwrap(), json);
    assert_eq!(serde_json::from_str::<Vec<Record>>(json).unwrap(), records);
    let json = r#"[{"opened":{"sid":"RM_1","createdAt":5,"at":6}},{"closed":{"sid":"RM_1","at":{"at":7,"exact":true},"reason":"ROOM_DELETED","toldBy":"webhook"}},{"left":{"stay":{"sid":"PA_1","identity":"alice","joinedAt":5},"at":{"at":7,"exact":false},"why":"concluded","toldBy":"comparison"}}]"#;
    let records: Vec<Record> = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&records).unwrap(), json);
}
