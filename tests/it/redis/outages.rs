//! What breaks, what readers see meanwhile, and that it is right afterwards.

use std::time::{Duration, Instant};

use crate::harness::{
    Direction, Follower, RedisServer, Sender, TcpProxy, eventually, joined, left, published,
    started, url_of,
};

use super::scene::{QUIET, ROOM, Scene, instance, sorted_identities};

#[tokio::test]
async fn killed_and_restarted_empty() {
    let mut redis = RedisServer::start().await;
    let mut scene = Scene::on(&redis.url()).await;
    let versions = scene.followers[1].seen().rooms;
    redis.kill().await;
    let bob = joined("bob");
    scene.lets_in(&bob);
    scene.is_away(&bob).await;
    redis.start_again().await;
    scene.is_back().await;
    scene.sender.deliver(&bob).await;
    scene.becomes_right().await;
    let now = scene.followers[1].seen().rooms;
    assert!(now[ROOM].version > versions[ROOM].version, "versions never run back");
    // Nobody but LiveKit knows of quentin now.
    let stored = scene.read(QUIET).await;
    assert_eq!(sorted_identities(&stored), ["quentin"]);
}

#[tokio::test]
async fn killed_and_restarted_empty_after_a_leave_that_livekit_gave_up_to_tell() {
    let mut redis = RedisServer::start().await;
    let mut scene = Scene::on(&redis.url()).await;
    scene.enters(&joined("bob")).await;
    scene.becomes_right().await;
    redis.kill().await;
    let unheard = scene.lets_out("alice");
    scene.is_away(&unheard).await;
    redis.start_again().await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn killed_and_restarted_with_its_data() {
    let mut redis = RedisServer::keeping_data().await;
    // What is right afterwards, it is right by what was kept and by LiveKit's further attempts.
    let mut scene = Scene::without_livekits_api(&redis.url()).await;
    scene.enters(&joined("bob")).await;
    scene.enters(&joined("carol")).await;
    scene.leaves("alice").await;
    redis.kill().await;
    let dave = joined("dave");
    scene.lets_in(&dave);
    scene.is_away(&dave).await;
    redis.start_again().await;
    scene.sender.deliver(&dave).await;
    scene.becomes_right().await;
    scene.leaves("bob").await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn standing_still_for_a_while() {
    let redis = RedisServer::start().await;
    let mut scene = Scene::on(&redis.url()).await;
    let paused_at = Instant::now();
    redis.pause();
    let bob = joined("bob");
    scene.lets_in(&bob);
    scene.is_away(&bob).await;
    // Longer than any time-out, so that each is over.
    while paused_at.elapsed() < Duration::from_secs(6) {
        scene.refuses(&bob).await;
    }
    scene.streams_stayed_open();
    redis.resume();
    scene.is_back().await;
    // What Redis took late, and what it is sent again, count once.
    scene.sender.deliver(&bob).await;
    scene.becomes_right().await;
    scene.leaves("alice").await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn wiped() {
    let redis = RedisServer::start().await;
    let mut scene = Scene::on(&redis.url()).await;
    scene.enters(&joined("bob")).await;
    scene.becomes_right().await;
    let before = scene.followers[1].seen().rooms;
    redis.ask(&["FLUSHALL"]).await;
    scene.leaves("alice").await;
    scene.enters(&joined("carol")).await;
    scene.becomes_right().await;
    let after = scene.followers[1].seen().rooms;
    assert!(after[ROOM].version > before[ROOM].version, "versions never run back");
    // In the store again, for whoever comes to another instance.
    eventually("the quiet room to be stored again", async || {
        !redis.keys(&format!("*:{QUIET}:participants")).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn its_scripts_forgotten() {
    let redis = RedisServer::start().await;
    let mut scene = Scene::without_livekits_api(&redis.url()).await;
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    // At once, not at LiveKit's next attempt.
    let answer = scene.sender.try_once(&joined("stranger").room("cold")).await.unwrap();
    assert_eq!(answer.status, 200);
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(sorted_identities(&scene.read("cold").await), ["stranger"]);
    redis.ask(&["SCRIPT", "FLUSH"]).await;
    assert_eq!(scene.service.get("/api/livekit/rooms").await.status, 200);
    scene.enters(&joined("bob")).await;
    scene.becomes_right().await;
    assert_eq!(scene.sender.refused.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn cut_in_the_middle_of_a_call_or_of_its_answer() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut scene = Scene::without_livekits_api(&url_of(proxy.port)).await;
    let mut expected = vec!["alice".to_owned()];
    for direction in [Direction::ToServer, Direction::FromServer] {
        for bytes in [0, 1, 30, 100] {
            let name = format!("{direction:?}-{bytes}").to_lowercase();
            let person = joined(&name);
            scene.lets_in(&person);
            proxy.cut_after(direction, bytes);
            scene.sender.deliver(&person).await;
            eventually("the cut", async || proxy.has_cut()).await;
            expected.push(name);
        }
    }
    // Nothing was lost, nothing counted twice, and the readers were told in the end.
    scene.becomes_right().await;
    assert!(scene.sender.refused.load(std::sync::atomic::Ordering::Relaxed) > 0);
    let mut shown = sorted_identities(&scene.read(ROOM).await);
    expected.sort();
    shown.sort();
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn cut_in_the_middle_of_what_is_published() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let scene = Scene::without_livekits_api(&url_of(proxy.port)).await;
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
        for follower in &scene.followers {
            follower.until_people(ROOM, &expected).await;
        }
        eventually("the cut", async || proxy.has_cut()).await;
        for follower in &scene.followers {
            let shown = || follower.shown(ROOM).people[&format!("PA_after-{bytes}")].clone();
            eventually("the track", async || shown()["isPublisher"] == true).await;
        }
    }
    scene.streams_stayed_open();
}

#[tokio::test]
async fn half_open_connections() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut scene = Scene::without_livekits_api(&url_of(proxy.port)).await;
    proxy.forget();
    // The first ones find out.
    let bob = joined("bob");
    scene.lets_in(&bob);
    scene.sender.deliver(&bob).await;
    scene.is_back().await;
    scene.becomes_right().await;
    scene.enters(&joined("carol")).await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn unreachable_without_a_word() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    let mut scene = Scene::on(&url_of(proxy.port)).await;
    proxy.black_hole();
    let bob = joined("bob");
    scene.lets_in(&bob);
    scene.is_away(&bob).await;
    // Further ones do not queue behind the first.
    let (one, two) = (joined("one").room("one"), joined("two").room("two"));
    tokio::join!(scene.refuses(&bob), scene.refuses(&one), scene.refuses(&two));
    proxy.remember();
    scene.sender.deliver(&bob).await;
    scene.is_back().await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn failover_to_a_replica_that_missed_the_last_writes() {
    let mut master = RedisServer::start().await;
    let copying = TcpProxy::start(master.port).await;
    let replica = RedisServer::replica_of(copying.port).await;
    let proxy = TcpProxy::start(master.port).await;
    let mut scene = Scene::on(&url_of(proxy.port)).await;
    eventually("the replica to know of alice", async || {
        !replica.keys(&format!("*:{ROOM}:participants")).await.is_empty()
    })
    .await;
    copying.black_hole();
    scene.enters(&joined("bob")).await;
    scene.leaves("alice").await;
    scene.enters(&joined("carol")).await;
    scene.becomes_right().await;
    let before = scene.followers[1].seen().rooms;
    master.kill().await;
    replica.ask(&["REPLICAOF", "NO", "ONE"]).await;
    assert_eq!(replica.keys(&format!("*:{ROOM}:participants")).await.len(), 1);
    proxy.turn_to(replica.port);
    scene.is_back().await;
    scene.enters(&joined("dave")).await;
    scene.becomes_right().await;
    let after = scene.followers[1].seen().rooms;
    assert!(after[ROOM].version > before[ROOM].version, "versions never run back");
}

#[tokio::test]
async fn out_of_memory() {
    let redis = RedisServer::start().await;
    let mut scene = Scene::on(&redis.url()).await;
    let bob = joined("bob");
    scene.lets_in(&bob);
    scene.sender.deliver(&published("alice", "TR_1")).await;
    redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let before = redis.dump(&format!("*:{ROOM}:*")).await;
    let not_ours = |key: &String| !key.ends_with(":lease");
    let webhooks =
        [bob.clone(), left("alice"), published("alice", "TR_2"), joined("new").room("brand-new")];
    for webhook in &webhooks {
        scene.refuses(webhook).await;
    }
    let mut after = redis.dump(&format!("*:{ROOM}:*")).await;
    after.retain(|key, _| not_ours(key));
    let mut expected = before;
    expected.retain(|key, _| not_ours(key));
    assert_eq!(after, expected, "no half-written room");
    assert_eq!(redis.keys("*:brand-new:*").await, Vec::<String>::new());
    scene.streams_stayed_open();
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    scene.sender.deliver(&bob).await;
    scene.becomes_right().await;
}

#[tokio::test]
async fn another_type_at_one_of_our_keys() {
    let redis = RedisServer::start().await;
    let mut scene = Scene::without_livekits_api(&redis.url()).await;
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
        scene.sender.deliver(webhook).await;
    }
    let keys = redis.keys("*:broken:*").await;
    assert!(keys.len() >= 6, "{keys:?}");
    for (number, key) in keys.iter().enumerate() {
        redis.ask(&["RENAME", key, "kept"]).await;
        redis.ask(&["SET", key, "not ours"]).await;
        let before = redis.dump("*").await;
        let grace = joined(&format!("grace-{number}")).room("broken");
        let leave = left("erin").room("broken");
        for webhook in [&grace, &leave] {
            let answer = scene.sender.try_once(webhook).await.unwrap();
            assert_eq!(answer.status, 503, "with {key} of another type");
        }
        assert_eq!(redis.dump("*").await, before, "with {key} of another type");
        redis.ask(&["RENAME", "kept", key]).await;
        assert_eq!(scene.sender.try_once(&grace).await.unwrap().status, 200);
    }
    // Others never noticed.
    scene.enters(&joined("bob")).await;
    scene.becomes_right().await;
    assert_eq!(sorted_identities(&scene.read("broken").await).len(), 1 + keys.len());
}

#[tokio::test]
async fn a_slow_network() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    // From the first connection on.
    proxy.delay(Duration::from_millis(100));
    let mut scene = Scene::on(&url_of(proxy.port)).await;
    let port = scene.service.address.port();
    let rooms: Vec<_> = (0..40).map(|number| format!("room-{number}")).collect();
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let began_at = Instant::now();
    let posts = rooms.iter().map(async |room| {
        for webhook in [started().room(room), joined("alice").room(room)] {
            let answer = scene.sender.try_once(&webhook).await.unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.after >= Duration::from_millis(200), "the network is slow");
        }
    });
    futures_util::future::join_all(posts).await;
    // One after the other they would have taken 16 s.
    assert!(began_at.elapsed() < Duration::from_secs(4), "{:?}", began_at.elapsed());
    for room in &rooms {
        scene.livekit.as_ref().unwrap().list(room, &[joined("alice").room(room)]);
    }
    let follower = Follower::of_rooms(port, &names);
    for room in &names {
        follower.until_people(room, &["alice"]).await;
    }
    scene.enters(&joined("bob")).await;
    scene.leaves("alice").await;
    scene.becomes_right().await;
    assert_eq!(scene.service.get("/readyz").await.status, 200);
    assert_eq!(scene.sender.refused.load(std::sync::atomic::Ordering::Relaxed), 0);
    follower.was_never_cut();
}
