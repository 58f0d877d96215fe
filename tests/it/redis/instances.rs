//! Several instances are one service: on one Redis, behind one nginx.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::harness::{
    ApiFault, Follower, Nginx, PROCESS_KEYS, Process, ScriptedLiveKit, Sender, eventually, joined,
    started,
};

use super::fleet::{Fleet, Load, ROOMS, subscribers_at};

#[tokio::test]
async fn webhooks_by_chance_and_clients_everywhere() {
    let fleet = Fleet::of(3, &[]).await;
    let nginx = Nginx::before(&fleet.ports).await;
    let mut ports = fleet.ports.clone();
    ports.push(nginx.port);
    let (of_all, of_one) = subscribers_at(&ports);
    let sender = Arc::new(Sender::to(&ports));
    let inside = Load::begin(&sender, 40).end().await;
    for (room, inside) in &inside {
        fleet.agrees(&of_all, room, inside).await;
    }
    for (room, follower) in &of_one {
        let (_, inside) = inside.iter().find(|(name, _)| name == room).unwrap();
        let inside: Vec<_> = inside.iter().map(String::as_str).collect();
        follower.until_people(room, &inside).await;
        follower.was_never_cut();
        assert_eq!(follower.shown(room), of_all[0].shown(room), "the same list, the same version");
    }
    for follower in &of_all {
        follower.was_never_cut();
    }
    // A new subscriber gets the same.
    let newcomer = Follower::of_rooms(nginx.port, &ROOMS);
    for room in ROOMS {
        newcomer.until("the room", |seen| seen.shown(room) == of_all[0].shown(room)).await;
    }
    let rooms = fleet.instances[1].get("/api/livekit/rooms").await.json();
    let counts: Vec<_> =
        rooms.as_array().unwrap().iter().map(|room| room["numParticipants"].as_u64()).collect();
    let expected: Vec<_> = inside.iter().map(|(_, people)| Some(people.len() as u64)).collect();
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn one_webhook_to_all_instances_counts_once() {
    let fleet = Fleet::of(2, &[]).await;
    let followers: Vec<_> =
        fleet.ports.iter().map(|port| Follower::of_rooms(*port, &["den"])).collect();
    let senders: Vec<_> = fleet.ports.iter().map(|port| Sender::to(&[*port])).collect();
    senders[0].deliver(&started().room("den")).await;
    for number in 0..20 {
        let webhook = joined(&format!("person-{number:02}")).room("den");
        join_all(senders.iter().map(|sender| sender.deliver(&webhook))).await;
    }
    let inside: Vec<_> = (0..20).map(|number| format!("person-{number:02}")).collect();
    fleet.agrees(&followers, "den", &inside).await;
}

#[tokio::test]
async fn one_instance_killed_under_load() {
    let mut fleet = Fleet::of(3, &[]).await;
    let nginx = Nginx::before(&fleet.ports).await;
    let subscribers: Vec<_> = (0..6).map(|_| Follower::of_rooms(nginx.port, &ROOMS)).collect();
    for subscriber in &subscribers {
        subscriber.until("its first stream", |seen| seen.rooms.len() == ROOMS.len()).await;
    }
    let sender = Arc::new(Sender::to(&[nginx.port]));
    let load = Load::begin(&sender, 60);
    subscribers[0].until("the load", |seen| seen.shown("den").people.len() > 5).await;
    // An instance that has clients.
    let has_subscribers = async |one: &Process| {
        let metrics = one.get("/metrics").await;
        let open = "livekit_presence_streams_open";
        metrics.text().lines().any(|line| line.starts_with(open) && !line.ends_with(" 0"))
    };
    let mut victim = 0;
    while !has_subscribers(&fleet.instances[victim]).await {
        victim += 1;
    }
    assert!(load.goes_on(), "it is killed under load");
    fleet.instances[victim].kill().await;
    let inside = load.end().await;
    fleet.instances.remove(victim);
    for (room, inside) in &inside {
        fleet.agrees(&subscribers, room, inside).await;
    }
    let connections: Vec<_> =
        subscribers.iter().map(|subscriber| subscriber.seen().connections).collect();
    assert!(connections.iter().any(|count| *count > 1), "some came back: {connections:?}");
    assert!(connections.contains(&1), "others were never cut: {connections:?}");
}

#[tokio::test]
async fn a_rolling_restart_under_load() {
    let mut fleet = Fleet::of(3, &[("LKP__SHUTDOWN__DRAIN", "500ms")]).await;
    let nginx = Nginx::before(&fleet.ports).await;
    let (of_all, of_one) = subscribers_at(&[&fleet.ports[..], &[nginx.port]].concat());
    // Some webhooks go past nginx, to instances that do not listen for a moment.
    let sender = Arc::new(Sender::to(&[&fleet.ports[..], &[nginx.port; 3]].concat()));
    let load = Load::begin(&sender, 150);
    of_all[0].until("the load", |seen| seen.shown("den").people.len() > 2).await;
    for index in 0..fleet.instances.len() {
        assert!(load.goes_on(), "it is restarted under load");
        fleet.instances[index].signal("TERM");
        assert_eq!(fleet.instances[index].ended().await.code(), Some(0));
        fleet.instances[index] = fleet.start(index).await;
    }
    let inside = load.end().await;
    for (room, inside) in &inside {
        fleet.agrees(&of_all, room, inside).await;
    }
    for (room, follower) in &of_one {
        follower.is_content();
        let right = of_all[0].shown(room);
        follower.until("the same list", |seen| seen.shown(room) == right).await;
    }
}

#[tokio::test]
async fn together_they_ask_livekit_as_often_as_one() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let settings = [("LIVEKIT_URL", livekit.url())];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let settings = [&settings[..], &[("LKP__RECONCILE__EVERY", "500ms")]].concat();
    let fleet = Fleet::of(3, &settings).await;
    let sender = Sender::to(&fleet.ports);
    sender.deliver(&started().room("den")).await;
    sender.deliver(&joined("alice").room("den")).await;
    livekit.list("den", &[joined("alice").room("den")]);
    let followers: Vec<_> =
        fleet.ports.iter().map(|port| Follower::of_room(*port, "den")).collect();
    for follower in &followers {
        follower.until_people("den", &["alice"]).await;
    }
    // By then each of them has found that the room is quiet.
    livekit.until_called("ListParticipants", 8).await;
    let before = livekit.calls("ListParticipants", Some("den"));
    let began_at = Instant::now();
    livekit.until_called("ListParticipants", before + 10).await;
    let took = began_at.elapsed();
    // Each comes 600 to 750 ms after the one before, whoever made that.
    assert!(took > Duration::from_millis(5_800), "ten comparisons within {took:?}");
    // All of them show what one has found out.
    livekit.list("den", &[joined("alice").room("den"), joined("bob").room("den")]);
    for follower in &followers {
        follower.until_people("den", &["alice", "bob"]).await;
    }
}

#[tokio::test]
async fn another_instance_does_what_a_dead_one_was_about_to_do() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let settings = [("LIVEKIT_URL", livekit.url())];
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut fleet =
        Fleet::of(2, &[&settings[..], &[("LKP__RECONCILE__EVERY", "1s")]].concat()).await;
    let sender = Sender::to(&fleet.ports);
    sender.deliver(&started().room("den")).await;
    let alice = joined("alice").room("den");
    sender.deliver(&alice).await;
    livekit.list("den", std::slice::from_ref(&alice));
    let first = Follower::of_room(fleet.ports[0], "den");
    first.until_people("den", &["alice"]).await;
    // The first instance has asked LiveKit, and dies before the answer.
    livekit.set_fault(ApiFault::Hangs);
    let asked = livekit.calls("ListParticipants", Some("den"));
    livekit.until_called("ListParticipants", asked + 1).await;
    let second = Follower::of_room(fleet.ports[1], "den");
    second.until_people("den", &["alice"]).await;
    fleet.instances[0].kill().await;
    livekit.list("den", &[alice, joined("bob").room("den")]);
    livekit.set_fault(ApiFault::None);
    second.until_people("den", &["alice", "bob"]).await;
    second.was_never_cut();
}

#[tokio::test]
async fn together_they_stay_within_the_calls_that_livekit_allows() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let url = livekit.url();
    let settings = [("LIVEKIT_URL", url.as_str()), ("LKP__LIVEKIT__CALLS_PER_MINUTE", "60")];
    let rooms: Vec<_> = (0..60).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        livekit.list(room, &[joined("alice").room(room)]);
    }
    let began_at = Instant::now();
    let fleet = Fleet::of(3, &settings).await;
    let subscribers = fleet.ports.iter().zip(rooms.chunks(20)).map(|(port, rooms)| {
        let rooms: Vec<_> = rooms.iter().map(String::as_str).collect();
        Follower::of_rooms(*port, &rooms)
    });
    let _subscribers: Vec<_> = subscribers.collect();
    let calls = || {
        let methods = ["ListParticipants", "ListRooms", "UpdateSubscriptions"];
        methods.iter().map(|method| livekit.calls(method, None)).sum::<usize>()
    };
    eventually("calls", async || calls() >= 14).await;
    // Six at once, and then one a second.
    let took = began_at.elapsed();
    assert!(took > Duration::from_millis(6_500), "14 calls within {took:?}");
}

#[tokio::test]
async fn wiped_under_all_of_them() {
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let url = livekit.url();
    let fleet = Fleet::of(3, &[("LIVEKIT_URL", url.as_str())]).await;
    let sender = Sender::to(&fleet.ports);
    let followers: Vec<_> =
        fleet.ports.iter().map(|port| Follower::of_rooms(*port, &["den", "atrium"])).collect();
    let mut people = Vec::new();
    for number in 0..10 {
        let person = joined(&format!("person-{number}")).room("den");
        people.push(person.clone());
        livekit.list("den", &people);
        sender.deliver(&person).await;
    }
    let erin = joined("erin").room("atrium");
    livekit.list("atrium", std::slice::from_ref(&erin));
    sender.deliver(&started().room("atrium")).await;
    sender.deliver(&erin).await;
    let mut inside: Vec<_> = (0..10).map(|number| format!("person-{number}")).collect();
    fleet.agrees(&followers, "den", &inside).await;
    fleet.redis.ask(&["FLUSHALL"]).await;
    let late = joined("person-late").room("den");
    people.push(late.clone());
    inside.push("person-late".to_owned());
    livekit.list("den", &people);
    sender.deliver(&late).await;
    fleet.agrees(&followers, "den", &inside).await;
    fleet.agrees(&followers, "atrium", &["erin".to_owned()]).await;
    for follower in &followers {
        follower.was_never_cut();
        assert_eq!(follower.seen().fewest["atrium"], 1, "nobody vanished");
    }
}

#[tokio::test]
async fn an_instance_that_stood_still_shows_what_it_missed() {
    let fleet = Fleet::of(2, &[]).await;
    // Less than the instance misses, so that Redis closes its subscription.
    let limits = "pubsub 65536 65536 0";
    fleet.redis.ask(&["CONFIG", "SET", "client-output-buffer-limit", limits]).await;
    let followers: Vec<_> =
        fleet.ports.iter().map(|port| Follower::of_rooms(*port, &["den"])).collect();
    let sender = Sender::to(&[fleet.ports[0]]);
    sender.deliver(&started().room("den")).await;
    sender.deliver(&joined("alice").room("den")).await;
    fleet.agrees(&followers, "den", &["alice".to_owned()]).await;
    fleet.instances[1].signal("STOP");
    let metadata = "m".repeat(60_000);
    let mut inside = vec!["alice".to_owned()];
    let listeners = async || {
        let clients = fleet.redis.ask(&["CLIENT", "LIST", "TYPE", "pubsub"]).await.text();
        clients.lines().count()
    };
    assert_eq!(listeners().await, 2);
    for number in 0.. {
        let name = format!("person-{number:03}");
        sender.deliver(&joined(&name).room("den").metadata(&metadata)).await;
        inside.push(name);
        if listeners().await == 1 {
            break;
        }
        assert!(number < 500, "Redis does not give it up");
    }
    fleet.instances[1].signal("CONT");
    fleet.agrees(&followers, "den", &inside).await;
    for follower in &followers {
        follower.was_never_cut();
    }
}
