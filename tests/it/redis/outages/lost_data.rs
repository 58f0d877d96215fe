//! Redis runs, and has lost rooms: wiped, evicted, without its scripts.

use serde_json::json;

use crate::{
    harness::{
        ApiFault, RedisServer, Seen, eventually, finished, joined, left, now_ms, published, started,
    },
    redis::fixture::{Fixture, QUIET, ROOM, sorted_identities},
};

#[tokio::test]
async fn wiped() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    let before = fixture.followers[1].seen().rooms;
    redis.ask(&["FLUSHALL"]).await;
    fixture.leaves("alice").await;
    fixture.enters(&joined("carol")).await;
    fixture.becomes_right().await;
    let after = fixture.followers[1].seen().rooms;
    assert!(after[ROOM].version > before[ROOM].version, "versions never run back");
    // The store has the room again, for clients of another instance.
    eventually("the quiet room to be stored again", async || {
        !redis.keys(&format!("lkp:room:*:{QUIET}")).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn wiped_while_livekits_api_is_down() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.livekit.as_ref().unwrap().set_fault(ApiFault::Fails);
    fixture.enters(&joined("bob")).await;
    for follower in &fixture.followers {
        follower.until_people(ROOM, &["alice", "bob"]).await;
    }
    redis.ask(&["FLUSHALL"]).await;
    // A lost subscription has everything read again.
    redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    fixture.enters(&joined("carol")).await;
    for follower in &fixture.followers {
        follower.until_people(ROOM, &["alice", "bob", "carol"]).await;
    }
    fixture.leaves("alice").await;
    for follower in &fixture.followers {
        follower.until_people(ROOM, &["bob", "carol"]).await;
    }
    eventually("it to be said", async || fixture.read(ROOM).await.header("x-cache") == "stale")
        .await;
    for follower in &fixture.followers[1..] {
        let fewest = follower.seen().fewest;
        assert_eq!((fewest[ROOM], fewest[QUIET]), (1, 1), "nobody vanished");
        follower.until_people(QUIET, &["quentin"]).await;
    }
    fixture.streams_stayed_open();
    fixture.livekit.as_ref().unwrap().set_fault(ApiFault::None);
    fixture.becomes_right().await;
}

/// LiveKit has crashed as well. It goes on listing somebody who is gone, and of whom its start of the room makes us doubt.
#[tokio::test]
async fn wiped_with_a_ghost_in_livekits_list() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.livekit.as_ref().unwrap().set_fault(ApiFault::Fails);
    redis.ask(&["FLUSHALL"]).await;
    let restarted_at = now_ms();
    let bob = joined("bob").with("joinedAtMs", json!((restarted_at + 1).to_string()));
    fixture.enters(&bob).await;
    for follower in &fixture.followers {
        follower.until_people(ROOM, &["alice", "bob"]).await;
    }
    fixture.sender.deliver(&started().created_at_ms(restarted_at)).await;
    fixture.livekit.as_ref().unwrap().kill("alice");
    fixture.livekit.as_ref().unwrap().set_fault(ApiFault::None);
    for follower in &fixture.followers {
        follower.until_people(ROOM, &["bob"]).await;
    }
    assert_eq!(sorted_identities(&fixture.read(ROOM).await), ["bob"]);
    fixture.streams_stayed_open();
}

#[tokio::test]
async fn wiped_without_livekits_api() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    redis.ask(&["FLUSHALL"]).await;
    fixture.enters(&joined("bob")).await;
    fixture.enters(&joined("carol")).await;
    fixture.leaves("bob").await;
    // Nobody can say who else is inside. The service shows what it is told from now on, as stale.
    for follower in &fixture.followers {
        let shows_it = |seen: &Seen| {
            let people = seen.shown(ROOM).people;
            people.contains_key("PA_carol") && !people.contains_key("PA_bob")
        };
        follower.until("what is told", shows_it).await;
    }
    assert_eq!(fixture.read(ROOM).await.header("x-cache"), "stale");
    fixture.streams_stayed_open();
}

#[tokio::test]
async fn its_scripts_forgotten() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    // At the first attempt.
    let answer = fixture.sender.try_once(&joined("stranger").room("cold")).await.unwrap();
    assert_eq!(answer.status, 200);
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(sorted_identities(&fixture.read("cold").await), ["stranger"]);
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(fixture.service.get("/api/livekit/rooms").await.status, 200);
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    assert_eq!(fixture.sender.refused.load(std::sync::atomic::Ordering::Relaxed), 0);
}

/// As when Redis evicts keys to free memory.
#[tokio::test]
async fn a_room_evicted() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.sender.deliver(&published("alice", "TR_1")).await;
    let keys = redis.keys(&format!("lkp:room:*:{ROOM}")).await;
    assert_eq!(keys.len(), 1, "a room is one hash, and goes as a whole");
    let other = fixture.other_instance().await;
    redis.ask(&["DEL", &keys[0]]).await;
    let list = other.get(&format!("/api/livekit/participants?room={ROOM}")).await;
    assert_eq!(sorted_identities(&list), ["alice"]);
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn the_indexes_of_rooms_evicted() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    for key in redis.keys("lkp:index:*").await {
        redis.ask(&["DEL", &key]).await;
    }
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    eventually("the room to be listed", async || {
        let rooms = fixture.service.get("/api/livekit/rooms").await.json();
        rooms
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["name"] == ROOM && one["numParticipants"] == 2)
    })
    .await;
}

#[tokio::test]
async fn nothing_is_kept_forever() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    let webhooks = [
        published("alice", "TR_1"),
        published("nobody-yet", "TR_2"),
        joined("bob"),
        left("bob"),
        left("unheard-of"),
        started().room("closed"),
        finished().room("closed"),
    ];
    for webhook in &webhooks {
        fixture.sender.deliver(webhook).await;
    }
    fixture.service.get("/api/livekit/rooms").await;
    fixture.read("unheard-of").await;
    fixture.leaves("quentin").await;
    fixture.becomes_right().await;
    let keys = redis.keys("*").await;
    // A hash for each room, the indexes, and what instances share.
    assert!(keys.iter().filter(|key| key.starts_with("lkp:room:")).count() >= 3, "{keys:?}");
    assert!(keys.len() >= 6, "{keys:?}");
    for key in keys {
        let secs: i64 = redis.ask(&["TTL", &key]).await.text().parse().unwrap();
        // It is gone already, or goes within a day.
        assert!(secs == -2 || (0..=24 * 3600 + 1).contains(&secs), "{key} lives {secs} s");
    }
}
