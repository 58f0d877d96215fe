//! What breaks, what clients see meanwhile, and that it is right afterwards.

use std::time::{Duration, Instant};

use crate::harness::{
    ApiFault, Direction, Follower, RedisServer, Reply, Seen, Sender, TcpProxy, eventually,
    finished, joined, left, published, started, url_of,
};

use super::fixture::{Fixture, QUIET, ROOM, instance, sorted_identities};

#[tokio::test]
async fn killed_and_restarted_empty() {
    let mut redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    let versions = fixture.followers[1].seen().rooms;
    redis.kill().await;
    let bob = joined("bob");
    fixture.lets_in(&bob);
    fixture.is_away(&bob).await;
    redis.start_again().await;
    fixture.is_back().await;
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
    let now = fixture.followers[1].seen().rooms;
    assert!(now[ROOM].version > versions[ROOM].version, "versions never run back");
    // Nobody but LiveKit knows of quentin now.
    let stored = fixture.read(QUIET).await;
    assert_eq!(sorted_identities(&stored), ["quentin"]);
}

#[tokio::test]
async fn killed_and_restarted_empty_after_a_leave_that_livekit_gave_up_to_tell() {
    let mut redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    redis.kill().await;
    let unheard = fixture.lets_out("alice");
    fixture.is_away(&unheard).await;
    redis.start_again().await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn killed_and_restarted_with_its_data() {
    let mut redis = RedisServer::keeping_data().await;
    // What is right afterwards, it is right by what was kept and by LiveKit's further attempts.
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.enters(&joined("carol")).await;
    fixture.leaves("alice").await;
    redis.kill().await;
    let dave = joined("dave");
    fixture.lets_in(&dave);
    fixture.is_away(&dave).await;
    redis.start_again().await;
    fixture.sender.deliver(&dave).await;
    fixture.becomes_right().await;
    fixture.leaves("bob").await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn away_for_almost_as_long_as_livekit_goes_on_trying() {
    let mut redis = RedisServer::keeping_data().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    redis.kill().await;
    let (bob, erin) = (joined("bob"), joined("erin").room(QUIET));
    fixture.lets_in(&bob);
    fixture.lets_in(&erin);
    let outage = async {
        tokio::time::sleep(Duration::from_secs(13)).await;
        redis.start_again().await;
    };
    // Neither is dropped; LiveKit's five attempts take 15 s where nothing asks it to come back sooner.
    tokio::join!(fixture.sender.deliver(&bob), fixture.sender.deliver(&erin), outage);
    fixture.becomes_right().await;
}

#[tokio::test]
async fn standing_still_for_a_while() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    let paused_at = Instant::now();
    redis.pause();
    let bob = joined("bob");
    fixture.lets_in(&bob);
    fixture.is_away(&bob).await;
    // Longer than any time-out, so that each is over.
    while paused_at.elapsed() < Duration::from_secs(6) {
        fixture.refuses(&bob).await;
    }
    fixture.streams_stayed_open();
    redis.resume();
    fixture.is_back().await;
    // What Redis took late, and what it is sent again, count once.
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
}

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
    // In the store again, for whoever comes to another instance.
    eventually("the quiet room to be stored again", async || {
        !redis.keys(&format!("lkp:room:*:{QUIET}")).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn its_scripts_forgotten() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    // At once, not at LiveKit's next attempt.
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

#[tokio::test]
async fn cut_in_the_middle_of_a_call_or_of_its_answer() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut fixture = Fixture::without_livekits_api(&url_of(proxy.port)).await;
    let mut expected = vec!["alice".to_owned()];
    for direction in [Direction::ToServer, Direction::FromServer] {
        for bytes in [0, 1, 30, 100] {
            let name = format!("{direction:?}-{bytes}").to_lowercase();
            let person = joined(&name);
            fixture.lets_in(&person);
            proxy.cut_after(direction, bytes);
            fixture.sender.deliver(&person).await;
            eventually("the cut", async || proxy.has_cut()).await;
            expected.push(name);
        }
    }
    // Nothing was lost, nothing counted twice, and the clients were told in the end.
    fixture.becomes_right().await;
    assert!(fixture.sender.refused.load(std::sync::atomic::Ordering::Relaxed) > 0);
    let mut shown = sorted_identities(&fixture.read(ROOM).await);
    expected.sort();
    shown.sort();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn cut_in_the_middle_of_what_is_published() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let fixture = Fixture::without_livekits_api(&url_of(proxy.port)).await;
    // Another instance takes the webhooks, on a road of its own. This one only listens.
    let other = instance(&redis.url(), &[]).await;
    let sender = Sender::to(&[other.address.port()]);
    let mut inside = vec!["alice".to_owned()];
    for bytes in [1, 60, 200] {
        let name = format!("after-{bytes}");
        proxy.cut_after(Direction::FromServer, bytes);
        sender.deliver(&joined(&name)).await;
        sender.deliver(&published(&name, "TR_1")).await;
        inside.push(name);
        inside.sort();
        let expected: Vec<_> = inside.iter().map(String::as_str).collect();
        for follower in &fixture.followers {
            follower.until_people(ROOM, &expected).await;
        }
        eventually("the cut", async || proxy.has_cut()).await;
        for follower in &fixture.followers {
            let shown = || follower.shown(ROOM).people[&format!("PA_after-{bytes}")].clone();
            eventually("the track", async || shown()["isPublisher"] == true).await;
        }
    }
    fixture.streams_stayed_open();
}

#[tokio::test]
async fn half_open_connections() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut fixture = Fixture::without_livekits_api(&url_of(proxy.port)).await;
    proxy.forget();
    // The first ones find out.
    let bob = joined("bob");
    fixture.lets_in(&bob);
    fixture.sender.deliver(&bob).await;
    fixture.is_back().await;
    fixture.becomes_right().await;
    fixture.enters(&joined("carol")).await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn unreachable_without_a_word() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut fixture = Fixture::on(&url_of(proxy.port)).await;
    proxy.black_hole();
    let bob = joined("bob");
    fixture.lets_in(&bob);
    fixture.is_away(&bob).await;
    // Further ones do not queue behind the first.
    let (one, two) = (joined("one").room("one"), joined("two").room("two"));
    tokio::join!(fixture.refuses(&bob), fixture.refuses(&one), fixture.refuses(&two));
    proxy.remember();
    fixture.sender.deliver(&bob).await;
    fixture.is_back().await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn failover_to_a_replica_that_missed_the_last_writes() {
    let mut master = RedisServer::start().await;
    let copying = TcpProxy::start(master.port).await;
    let replica = RedisServer::replica_of(copying.port).await;
    let proxy = TcpProxy::start(master.port).await;
    let mut fixture = Fixture::on(&url_of(proxy.port)).await;
    eventually("the replica to know of alice", async || {
        !replica.keys(&format!("lkp:room:*:{ROOM}")).await.is_empty()
    })
    .await;
    copying.black_hole();
    fixture.enters(&joined("bob")).await;
    fixture.leaves("alice").await;
    fixture.enters(&joined("carol")).await;
    fixture.becomes_right().await;
    let before = fixture.followers[1].seen().rooms;
    master.kill().await;
    replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(replica.keys(&format!("lkp:room:*:{ROOM}")).await.len(), 1);
    proxy.turn_to(replica.port);
    fixture.is_back().await;
    fixture.enters(&joined("dave")).await;
    fixture.becomes_right().await;
    let after = fixture.followers[1].seen().rooms;
    assert!(after[ROOM].version > before[ROOM].version, "versions never run back");
}

/// Redis goes on, but takes nothing.
async fn takes_nothing(setting: &str, while_away: &str, again: &str) {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    let bob = joined("bob");
    fixture.lets_in(&bob);
    for webhook in [published("alice", "TR_1"), published("nobody-yet", "TR_2")] {
        fixture.sender.deliver(&webhook).await;
    }
    redis.ask(&["CONFIG", "SET", setting, while_away]).await;
    let dump = async || {
        let mut dump = redis.dump(&format!("lkp:room:*:{ROOM}")).await;
        dump.extend(redis.dump("lkp:index:*").await);
        dump
    };
    let before = dump().await;
    let webhooks = [
        bob.clone(),
        left("alice"),
        published("alice", "TR_3"),
        joined("alice").sid("PA_another"),
        finished(),
        started().created_at_ms(u64::MAX / 2_000),
        joined("new").room("brand-new"),
        left("new").room("brand-new"),
    ];
    for webhook in &webhooks {
        fixture.refuses(webhook).await;
        assert_eq!(dump().await, before, "half of {:?}", webhook.0["event"]);
    }
    assert_eq!(redis.keys("lkp:room:*:brand-new").await, Vec::<String>::new());
    fixture.streams_stayed_open();
    redis.ask(&["CONFIG", "SET", setting, again]).await;
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn out_of_memory() {
    takes_nothing("maxmemory", "1", "0").await;
}

#[tokio::test]
async fn without_the_replicas_that_its_writes_need() {
    takes_nothing("min-replicas-to-write", "1", "0").await;
}

#[tokio::test]
async fn another_type_at_one_of_our_keys() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    // All keys that a room can have.
    let fill = [
        started().room("broken"),
        joined("erin").room("broken"),
        published("erin", "TR_1").room("broken"),
        published("nobody-yet", "TR_2").room("broken"),
        joined("frank").room("broken"),
        left("frank").room("broken"),
    ];
    for webhook in &fill {
        fixture.sender.deliver(webhook).await;
    }
    let mut keys = redis.keys("lkp:room:*:broken").await;
    assert_eq!(keys.len(), 1, "a room is one hash");
    let (bucket, _) = keys[0].split_once("}:").unwrap();
    keys.push(format!("{}}}", bucket.replace("room:", "index:")));
    for (number, key) in keys.iter().enumerate() {
        redis.ask(&["RENAME", key, "kept"]).await;
        redis.ask(&["SET", key, "not ours"]).await;
        let before = redis.dump("*").await;
        let grace = joined(&format!("grace-{number}")).room("broken");
        let leave = left("erin").room("broken");
        for webhook in [&grace, &leave] {
            let answer = fixture.sender.try_once(webhook).await.unwrap();
            assert_eq!(answer.status, 503, "with {key} of another type");
        }
        assert_eq!(redis.dump("*").await, before, "with {key} of another type");
        redis.ask(&["RENAME", "kept", key]).await;
        assert_eq!(fixture.sender.try_once(&grace).await.unwrap().status, 200);
    }
    // Others never noticed.
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    assert_eq!(sorted_identities(&fixture.read("broken").await).len(), 1 + keys.len());
}

#[tokio::test]
async fn a_slow_network() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    // From the first connection on.
    proxy.delay(Duration::from_millis(100));
    let mut fixture = Fixture::on(&url_of(proxy.port)).await;
    let port = fixture.service.address.port();
    let rooms: Vec<_> = (0..40).map(|number| format!("room-{number}")).collect();
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let began_at = Instant::now();
    let posts = rooms.iter().map(async |room| {
        for webhook in [started().room(room), joined("alice").room(room)] {
            let answer = fixture.sender.try_once(&webhook).await.unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.after >= Duration::from_millis(200), "the network is slow");
        }
    });
    futures_util::future::join_all(posts).await;
    // One after the other they would have taken 16 s.
    assert!(began_at.elapsed() < Duration::from_secs(4), "{:?}", began_at.elapsed());
    for room in &rooms {
        fixture.livekit.as_ref().unwrap().list(room, &[joined("alice").room(room)]);
    }
    let follower = Follower::of_rooms(port, &names);
    for room in &names {
        follower.until_people(room, &["alice"]).await;
    }
    fixture.enters(&joined("bob")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
    assert_eq!(fixture.service.get("/readyz").await.status, 200);
    assert_eq!(fixture.sender.refused.load(std::sync::atomic::Ordering::Relaxed), 0);
    follower.was_never_cut();
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
    // Everything is read again.
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

#[tokio::test]
async fn wiped_without_livekits_api() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    redis.ask(&["FLUSHALL"]).await;
    fixture.enters(&joined("bob")).await;
    fixture.enters(&joined("carol")).await;
    fixture.leaves("bob").await;
    // Nobody can say who else is inside. What is told from now on is shown, and that it is not all.
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

/// As where Redis evicts keys to make room.
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
async fn connections_closed_by_an_operator() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::without_livekits_api(&redis.url()).await;
    let other = fixture.other_instance().await;
    let sender = Sender::to(&[other.address.port()]);
    for number in 0..5 {
        let person = joined(&format!("person-{number}"));
        fixture.lets_in(&person);
        redis.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
        // Published while nobody listens.
        sender.deliver(&person).await;
        fixture.becomes_right().await;
        redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
}

#[tokio::test]
async fn demoted_to_a_replica_with_its_connections_open() {
    let old = RedisServer::start().await;
    let new = RedisServer::replica_of(old.port).await;
    let proxy = TcpProxy::start(old.port).await;
    let mut fixture = Fixture::without_livekits_api(&url_of(proxy.port)).await;
    let port = new.port.to_string();
    // Nobody could say what the new master has missed.
    eventually("the replica to have all of it", async || {
        let info = old.ask(&["INFO", "replication"]).await.text();
        let number_after = |name: &str| {
            let rest = &info[info.find(name)? + name.len()..];
            rest.split(|after: char| !after.is_ascii_digit()).next()?.parse::<u64>().ok()
        };
        number_after(",offset=").is_some_and(|at| Some(at) >= number_after("master_repl_offset:"))
    })
    .await;
    new.ask(&["REPLICAOF", "NO", "ONE"]).await;
    proxy.turn_newcomers_to(new.port);
    old.ask(&["REPLICAOF", "127.0.0.1", &port]).await;
    fixture.enters(&joined("bob")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
    fixture.is_back().await;
}

#[tokio::test]
async fn busy_with_somebody_elses_script() {
    let redis = RedisServer::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    redis.ask(&["CONFIG", "SET", "busy-reply-threshold", "100"]).await;
    let bob = joined("bob");
    fixture.lets_in(&bob);
    let endless = redis.try_ask(&["EVAL", "while true do end", "0"]);
    let meanwhile = async {
        eventually("it to be busy", async || {
            let answer = redis.try_ask(&["PING"]).await;
            matches!(answer, Ok(Reply::Error(error)) if error.starts_with("BUSY"))
        })
        .await;
        fixture.is_away(&bob).await;
        redis.ask(&["SCRIPT", "KILL"]).await;
    };
    let (killed, ()) = tokio::join!(endless, meanwhile);
    assert!(matches!(killed, Ok(Reply::Error(_))), "{killed:?}");
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
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
        // Gone meanwhile, or going within a day.
        assert!(secs == -2 || (0..=24 * 3600 + 1).contains(&secs), "{key} lives {secs} s");
    }
}
