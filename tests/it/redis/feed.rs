//! The feed of events on several instances: each tells everything once, also to subscribers whose instance dies.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use crate::harness::{FeedFollower, Nginx, Sender, eventually, joined};

use super::fleet::{Fleet, Load, ROOMS};

/// The people whom joins and leaves leave inside each room, by identity. No event may come twice.
fn inside(events: &[Value]) -> BTreeMap<String, Vec<String>> {
    let mut ids = std::collections::HashSet::new();
    let mut people: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for event in events {
        assert!(ids.insert(event["id"].as_str().unwrap()), "twice: {event}");
        let room = people.entry(event["room"].as_str().unwrap().to_owned()).or_default();
        let participant = &event["data"]["participant"];
        let sid = participant["sid"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str().unwrap() {
            "participant_joined" => {
                let identity = participant["identity"].as_str().unwrap().to_owned();
                assert!(room.insert(sid, identity).is_none(), "joined twice: {event}");
            }
            "participant_left" => {
                assert!(room.remove(&sid).is_some(), "left, and was not there: {event}");
            }
            _ => {}
        }
    }
    let sorted = |people: BTreeMap<String, String>| {
        let mut people: Vec<_> = people.into_values().collect();
        people.sort_unstable();
        people
    };
    people.into_iter().map(|(room, people)| (room, sorted(people))).collect()
}

/// The ids of a room's events, in the order in which they came.
fn of_room<'events>(events: &'events [Value], room: &str) -> Vec<&'events str> {
    let of_room = events.iter().filter(|event| event["room"] == room);
    of_room.map(|event| event["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn subscribers_behind_nginx_miss_nothing_and_see_nothing_twice_when_an_instance_is_killed() {
    let mut fleet = Fleet::of(3, &[]).await;
    let nginx = Nginx::before(&fleet.ports).await;
    let followers: Vec<_> = (0..6).map(|_| FeedFollower::of(nginx.port, "")).collect();
    for follower in &followers {
        follower.until("a feed", |seen| seen.connections == 1).await;
    }
    let sender = Arc::new(Sender::to(&[nginx.port]));
    let load = Load::begin(&sender, 40);
    for follower in &followers {
        follower.until("some events", |seen| seen.events.len() > 40).await;
    }
    fleet.instances[0].kill().await;
    let expected = load.end().await;
    // The last event of the test, after which nothing comes.
    for room in ROOMS {
        sender.deliver(&joined("the-last").room(room)).await;
    }
    for follower in &followers {
        follower
            .until("the last events", |seen| {
                let is_last =
                    |event: &&Value| event["data"]["participant"]["identity"] == "the-last";
                seen.events.iter().filter(is_last).count() == ROOMS.len()
            })
            .await;
    }
    let all: Vec<_> = followers.iter().map(FeedFollower::seen).collect();
    assert!(all.iter().any(|seen| seen.connections > 1), "nobody was cut off");
    for seen in &all {
        assert_eq!(seen.gaps, 0);
        let people = inside(&seen.events);
        for (room, staying) in &expected {
            let mut staying = staying.clone();
            staying.push("the-last".to_owned());
            staying.sort_unstable();
            assert_eq!(people[*room], staying);
            assert_eq!(of_room(&seen.events, room), of_room(&all[0].events, room));
        }
    }
}

#[tokio::test]
async fn a_subscriber_resumes_at_another_instance_also_when_it_was_the_only_one() {
    let mut fleet = Fleet::of(2, &[]).await;
    let senders = fleet.ports.clone().into_iter().map(|port| Sender::to(&[port]));
    let senders: Vec<_> = senders.collect();
    let first = Nginx::before(&fleet.ports[..1]).await;
    let follower = FeedFollower::of(first.port, "?room=den");
    follower.until("a feed", |seen| seen.connections == 1).await;
    senders[1].deliver(&joined("alice").room("den")).await;
    follower.until("alice", |seen| seen.events.len() == 1).await;
    fleet.instances[0].kill().await;
    // Nobody follows now.
    senders[1].deliver(&joined("bob").room("den")).await;
    senders[1].deliver(&joined("carol").room("attic")).await;
    drop(first);
    let last_id = follower.seen().last_id().to_owned();
    drop(follower);
    let other = fleet.instances.pop().unwrap();
    let follower = FeedFollower::after(other.address.port(), "?room=den", &last_id);
    follower.until("bob", |seen| seen.events.len() == 1).await;
    senders[1].deliver(&joined("dave").room("den")).await;
    follower.until("dave", |seen| seen.events.len() == 2).await;
    let seen = follower.seen();
    let names: Vec<_> =
        seen.events.iter().map(|event| &event["data"]["participant"]["identity"]).collect();
    assert_eq!((names, seen.gaps), (vec![&"bob".into(), &"dave".into()], 0));
    eventually("the log to be followed here", async || {
        other.get("/metrics").await.text().contains("livekit_presence_feed_followed 1\n")
    })
    .await;
}
