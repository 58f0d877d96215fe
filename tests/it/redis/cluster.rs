//! The service on a Cluster whose slots move and whose masters die.

use std::{sync::Arc, time::Duration};

use crate::harness::{
    Follower, RedisCluster, Seen, Sender, WebhookBody, eventually, joined, left, patiently, started,
};

use super::fixture::{Fixture, instance, sorted_identities};

/// Enough rooms that each of the three masters has some.
const ROOMS: usize = 12;

fn rooms() -> Vec<String> {
    (0..ROOMS).map(|number| format!("room-{number}")).collect()
}

/// Alice enters each room, and the follower is shown her.
async fn alice_enters(sender: &Sender, follower: &Follower, rooms: &[&str]) {
    for room in rooms {
        sender.deliver(&started().room(room)).await;
        sender.deliver(&joined("alice").room(room)).await;
        follower.until_people(room, &["alice"]).await;
    }
}

#[tokio::test]
async fn one_address_is_enough_and_rooms_lie_on_all_masters() {
    let cluster = RedisCluster::start().await;
    let service = instance(&cluster.url(), &[]).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    let port = service.address.port();
    let sender = Sender::to(&[port]);
    let rooms = rooms();
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let follower = Follower::of_rooms(port, &names);
    follower.until("all rooms", |seen| seen.rooms.len() == ROOMS).await;
    alice_enters(&sender, &follower, &names).await;
    for room in &names {
        let list = service.get(&format!("/api/livekit/participants?room={room}")).await;
        assert_eq!(sorted_identities(&list), ["alice"]);
        sender.deliver(&left("alice").room(room)).await;
        sender.deliver(&joined("bob").room(room)).await;
        follower.until_people(room, &["bob"]).await;
    }
    let listed = service.get("/api/livekit/rooms").await.json();
    assert_eq!(listed.as_array().unwrap().len(), ROOMS);
    follower.was_never_cut();
    for node in &cluster.nodes[..3] {
        assert!(!node.keys("lkp:room:*").await.is_empty(), "rooms lie on all masters");
    }
    eventually("what it was taken for to be logged", async || {
        service.log().contains("\"cluster\":true")
    })
    .await;
}

#[tokio::test]
async fn several_addresses_of_which_one_is_dead() {
    let mut cluster = RedisCluster::start().await;
    let url = [5, 0, 1].map(|index| cluster.nodes[index].url()).join(",");
    // A replica, so only its address is missing.
    cluster.nodes[5].kill().await;
    let mut fixture = Fixture::on(&url).await;
    fixture.enters(&joined("bob")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
}

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/cluster-ca.pem");

/// As with managed services: certificates name hosts, and `CLUSTER SLOTS` has addresses.
#[tokio::test]
async fn with_tls_nodes_may_announce_addresses_that_their_certificates_do_not_name() {
    let mut cluster = RedisCluster::with_tls().await;
    let url = format!("rediss://localhost:{}", cluster.nodes[0].tls_port);
    let service = instance(&url, &[("LKP__STORE__CA_FILE", CA)]).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    let port = service.address.port();
    let sender = Sender::to(&[port]);
    let rooms = rooms();
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let follower = Follower::of_rooms(port, &names);
    alice_enters(&sender, &follower, &names).await;
    for node in &cluster.nodes[..3] {
        assert!(!node.keys("lkp:room:*").await.is_empty(), "rooms lie on all masters");
    }
    // The node that the address names dies. Its replica's certificate names no address either.
    let kept = cluster.nodes[0].keys("lkp:room:*").await;
    eventually("the replica to have all", async || {
        cluster.nodes[3].keys("lkp:room:*").await == kept
    })
    .await;
    cluster.nodes[0].kill().await;
    for room in &names {
        until_taken(&sender, &joined("bob").room(room)).await;
        let shows = |seen: &Seen| seen.shown(room).people.contains_key("PA_bob");
        follower.until("the change", shows).await;
    }
}

#[tokio::test]
async fn a_tls_node_whose_certificate_has_none_of_the_given_names_is_not_believed() {
    let cluster = RedisCluster::with_tls().await;
    let url = format!("rediss://127.0.0.1:{}", cluster.nodes[0].tls_port);
    let service = instance(&url, &[("LKP__STORE__CA_FILE", CA)]).await;
    eventually("the reason to be logged", async || {
        let log = service.log();
        log.contains("cannot connect to Redis") && log.contains("name hosts in `store.redis_url`")
    })
    .await;
    assert_eq!(service.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn a_slot_moves_under_load() {
    let cluster = RedisCluster::start().await;
    let services = [instance(&cluster.url(), &[]).await, instance(&cluster.url(), &[]).await];
    for service in &services {
        eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    }
    let ports = [0, 1].map(|index: usize| services[index].address.port());
    let followers = ports.map(|port| Follower::of_rooms(port, &["wandering", "staying"]));
    let sender = Arc::new(Sender::to(&ports));
    for room in ["wandering", "staying"] {
        sender.deliver(&started().room(room)).await;
        sender.deliver(&joined("alice").room(room)).await;
    }
    for follower in &followers {
        follower.until_people("wandering", &["alice"]).await;
    }
    let key = all_keys(&cluster, "lkp:room:*:wandering").await.remove(0);
    let (slot, from) = (cluster.slot_of(&key).await, cluster.master_of(&key).await);
    let load = tokio::spawn(come_and_go(Arc::clone(&sender)));
    // To the next master, to the one after that, and back.
    for step in 0..3 {
        let (from, to) = ((from + step) % 3, (from + step + 1) % 3);
        cluster.move_slot(slot, from, to).await;
        assert_eq!(cluster.nodes[to].keys("lkp:room:*:wandering").await.len(), 1);
    }
    let inside = load.await.expect("LiveKit drops nothing");
    let inside: Vec<_> = inside.iter().map(String::as_str).collect();
    for follower in &followers {
        follower.until_people("wandering", &inside).await;
    }
    // Changes arrive at once again, and not only with a regular check.
    for number in 0..3 {
        shows_at_once(&sender, &followers, "wandering", &format!("zoe-{number}")).await;
    }
    for follower in &followers {
        follower.until_people("staying", &["alice"]).await;
        follower.was_never_cut();
    }
}

/// Many people come into the room that moves, and every second one leaves. Returns who is inside in the end.
async fn come_and_go(sender: Arc<Sender>) -> Vec<String> {
    let mut inside = vec!["alice".to_owned()];
    for number in 0..150 {
        let name = format!("person-{number:03}");
        sender.deliver(&joined(&name).room("wandering")).await;
        if number % 2 == 0 {
            sender.deliver(&left(&name).room("wandering")).await;
        } else {
            inside.push(name);
        }
    }
    inside
}

/// Somebody joins, and everybody is shown it sooner than a regular check would find it.
async fn shows_at_once(sender: &Sender, followers: &[Follower], room: &str, identity: &str) {
    sender.deliver(&joined(identity).room(room)).await;
    for follower in followers {
        let shows = |seen: &Seen| seen.shown(room).people.contains_key(&format!("PA_{identity}"));
        follower.within(Duration::from_secs(5), "the change at once", shows).await;
    }
}

#[tokio::test]
async fn a_master_is_killed_and_its_replica_takes_over() {
    master_killed(1).await;
}

#[tokio::test]
async fn the_only_node_whose_address_is_known_is_killed() {
    master_killed(0).await;
}

#[tokio::test]
async fn all_of_it_loses_power_and_comes_back() {
    let mut cluster = RedisCluster::with(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let mut fixture = Fixture::without_livekits_api(&cluster.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    cluster.restarts().await;
    patiently("webhooks to be taken again", async || {
        let answer = fixture.sender.try_once(&joined("elsewhere").room("another")).await;
        answer.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    fixture.enters(&joined("carol")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
}

/// Kills a master. The service knows the address of the first node alone.
async fn master_killed(victim: usize) {
    let mut cluster = RedisCluster::start().await;
    let service = instance(&cluster.url(), &[]).await;
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
    let port = service.address.port();
    let sender = Sender::to(&[port]);
    let rooms = rooms();
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let follower = Follower::of_rooms(port, &names);
    alice_enters(&sender, &follower, &names).await;
    let lost: Vec<_> = cluster.nodes[victim].keys("lkp:room:*").await;
    assert!(!lost.is_empty(), "it has rooms");
    cluster.kill_master(victim).await;
    others_go_on(&sender, &names, &lost).await;
    cluster.until_replica_is_master(victim).await;
    for room in &names {
        until_taken(&sender, &joined("carol").room(room)).await;
        let shows = |seen: &Seen| {
            let shown = seen.shown(room);
            shown.people.contains_key("PA_carol") && shown.people.contains_key("PA_alice")
        };
        follower.until("the room to be right", shows).await;
    }
    for room in &names {
        shows_at_once(&sender, std::slice::from_ref(&follower), room, "zoe").await;
    }
    follower.was_never_cut();
    eventually("it to be fit", async || service.get("/readyz").await.status == 200).await;
}

/// While a master is gone, webhooks of rooms on the others are taken, and those of its own rooms are refused soon.
async fn others_go_on(sender: &Sender, names: &[&str], lost: &[String]) {
    let has_lost = |room: &&&str| lost.iter().any(|key| key.ends_with(&format!("}}:{room}")));
    let elsewhere = names.iter().find(|room| !has_lost(room)).expect("a room elsewhere");
    let gone = names.iter().find(has_lost).expect("a room that was there");
    let answer = sender.try_once(&joined("bob").room(elsewhere)).await.unwrap();
    assert_eq!(answer.status, 200, "another master has {elsewhere}");
    let refused = sender.try_once(&joined("early").room(gone)).await.unwrap();
    assert!(refused.after < Duration::from_secs(5), "{:?}", refused.after);
}

/// Posts a webhook until the room takes it.
async fn until_taken(sender: &Sender, webhook: &WebhookBody) {
    patiently("the room to take webhooks again", async || {
        sender.try_once(webhook).await.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}

async fn all_keys(cluster: &RedisCluster, pattern: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for node in &cluster.nodes[..3] {
        let info = node.ask(&["INFO", "replication"]).await.text();
        if info.contains("role:master") {
            keys.extend(node.keys(pattern).await);
        }
    }
    keys
}
