//! The links to Redis break, stay silent or are slow.

use std::time::{Duration, Instant};

use crate::{
    harness::{
        Direction, Follower, RedisServer, Sender, TcpProxy, eventually, joined, published, started,
        url_of,
    },
    redis::fixture::{Fixture, ROOM, instance, sorted_identities},
};

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
    // Nothing was lost, nothing counted twice, and the streams show it in the end.
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
    // Another instance takes the webhooks over a link of its own. This one only listens.
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
    // The first call finds that the connections are dead.
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
    // Further webhooks do not queue behind the first.
    let (one, two) = (joined("one").room("one"), joined("two").room("two"));
    tokio::join!(fixture.refuses(&bob), fixture.refuses(&one), fixture.refuses(&two));
    proxy.remember();
    fixture.sender.deliver(&bob).await;
    fixture.is_back().await;
    fixture.becomes_right().await;
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
        // Redis publishes this while the instance is not subscribed.
        sender.deliver(&person).await;
        fixture.becomes_right().await;
        redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
}

/// Of bytes in each direction. Long, so that most of the time goes by on the network, however busy the machine is.
const LATENCY: Duration = Duration::from_millis(160);
/// Few, so that the machine is done with all of them long before the store's timeout of 2.5 s.
const ROOMS: usize = 16;

#[tokio::test]
async fn a_slow_network() {
    let redis = RedisServer::start().await;
    let proxy = TcpProxy::start(redis.port).await;
    // From the first connection on.
    proxy.delay(LATENCY);
    let mut fixture = Fixture::on(&url_of(proxy.port)).await;
    let port = fixture.service.address.port();
    let rooms: Vec<_> = (0..ROOMS).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        fixture.livekit.as_ref().unwrap().list(room, &[joined("alice").room(room)]);
    }
    let names: Vec<_> = rooms.iter().map(String::as_str).collect();
    let began_at = Instant::now();
    let posts = rooms.iter().map(async |room| {
        for webhook in [started().room(room), joined("alice").room(room)] {
            let answer = fixture.sender.try_once(&webhook).await.unwrap();
            assert_eq!(answer.status, 200);
            assert!(answer.after >= 2 * LATENCY, "the network is slow");
        }
    });
    futures_util::future::join_all(posts).await;
    // Two webhooks of each room take ten seconds, one after the other, and two thirds of a second where no room waits for another.
    assert!(began_at.elapsed() < Duration::from_secs(3), "{:?}", began_at.elapsed());
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
