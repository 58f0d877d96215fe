//! Redis dies, stands still or is replaced by another server.

use std::time::{Duration, Instant};

use crate::{
    harness::{RedisServer, TcpProxy, eventually, joined, url_of},
    redis::fixture::{Fixture, QUIET, ROOM, sorted_identities},
};

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
    // Only LiveKit knows of quentin now.
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
    // Without the API, only the data on disk and LiveKit's retries can make it right.
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
    // LiveKit drops neither: its five attempts take 15 s, unless an answer asks for a shorter wait.
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
    // Longer than any timeout, so that each has passed.
    while paused_at.elapsed() < Duration::from_secs(6) {
        fixture.refuses(&bob).await;
    }
    fixture.streams_stayed_open();
    redis.resume();
    fixture.is_back().await;
    // The webhook counts once, although Redis took it late and is sent it again.
    fixture.sender.deliver(&bob).await;
    fixture.becomes_right().await;
    fixture.leaves("alice").await;
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

#[tokio::test]
async fn demoted_to_a_replica_with_its_connections_open() {
    let old = RedisServer::start().await;
    let new = RedisServer::replica_of(old.port).await;
    let proxy = TcpProxy::start(old.port).await;
    let mut fixture = Fixture::without_livekits_api(&url_of(proxy.port)).await;
    let port = new.port.to_string();
    // Nobody could say what a new master had missed, so it must have everything before.
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
