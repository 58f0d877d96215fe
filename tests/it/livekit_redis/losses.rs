//! The connection is lost, and everything is told once it is back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use livekit_presence::livekit::redis::{KeptChange, Payment};

use crate::harness::{RedisServer, TcpProxy, eventually, url_of, within_deadline};

use super::fixture::{Reader, is_down_for, is_up, people, room_name, start, write};

/// How often a connection is lost in the test of many cuts.
const LOSSES: u64 = 15;

async fn through_a_proxy() -> (RedisServer, TcpProxy, Reader) {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let proxy = TcpProxy::start(server.port).await;
    let reader = Reader::at(&url_of(proxy.port)).await;
    (server, proxy, reader)
}

#[tokio::test]
async fn a_change_while_the_connection_is_lost_is_told_with_everything() {
    let (server, proxy, mut reader) = through_a_proxy().await;
    reader.names("general").await;
    proxy.refuse();
    eventually("it to be down", async || !reader.redis.is_up()).await;
    write(&server, "general", "alice", "Alice").await;
    proxy.accept();
    assert_eq!(reader.next().await, KeptChange::Everything);
    assert!(reader.redis.is_up());
    assert_eq!(reader.names("general").await, ["Alice"]);
    write(&server, "general", "alice", "Alice 2").await;
    assert_eq!(reader.next().await, people("general"));
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up() {
    let (server, proxy, mut reader) = through_a_proxy().await;
    reader.names("general").await;
    proxy.forget();
    let began = Instant::now();
    write(&server, "general", "alice", "Alice").await;
    assert_eq!(reader.next().await, KeptChange::Everything);
    // Two pings, and not the look at LiveKit's version each ten seconds.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(reader.names("general").await, ["Alice"]);
}

#[tokio::test]
async fn a_redis_that_is_killed_and_started_again_is_followed_again() {
    let mut server = RedisServer::keeping_data().await;
    let mut reader = Reader::on(&server).await;
    write(&server, "general", "alice", "Alice").await;
    reader.names("general").await;
    server.kill().await;
    eventually("it to be down", async || !reader.redis.is_up()).await;
    server.start_again().await;
    reader.until_everything().await;
    assert_eq!(reader.names("general").await, ["Alice"]);
}

#[tokio::test]
async fn a_redis_that_hangs_delays_a_reading_for_a_bounded_time() {
    let server = RedisServer::start().await;
    let reader = Reader::on(&server).await;
    server.pause();
    let read = within_deadline(
        "an error",
        reader.redis.participants(&room_name("general"), Payment::Waits),
    )
    .await;
    assert!(read.is_err());
    eventually("it to be down", async || !reader.redis.is_up()).await;
    server.resume();
    eventually("it to be up", async || reader.redis.is_up()).await;
}

#[tokio::test]
async fn a_redis_that_comes_later_is_found() {
    let mut server = RedisServer::new("redis-server".as_ref(), &[]);
    let redis = start(&server.url());
    is_down_for(&redis, &["refused"]).await;
    server.start_again().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    is_up(&redis).await;
}

/// Writes numbers as a name until it is done.
async fn writes(server: Arc<RedisServer>, written: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    while !done.load(Ordering::SeqCst) {
        let next = written.load(Ordering::SeqCst) + 1;
        write(&server, "general", "alice", &next.to_string()).await;
        written.store(next, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..8))).await;
    }
}

/// Cuts until the follower has noticed it this often: one that is cut again before it was connected notices nothing.
async fn cuts(proxy: Arc<TcpProxy>, losses: Arc<AtomicU64>, done: Arc<AtomicBool>) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while losses.load(Ordering::SeqCst) < LOSSES && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(fastrand::u64(10..150))).await;
        proxy.cut();
    }
    done.store(true, Ordering::SeqCst);
}

/// What a follower holds after each change is what was written, however the connection is cut.
#[tokio::test]
async fn connections_that_are_cut_at_random_hide_no_change() {
    let (server, proxy, mut reader) = through_a_proxy().await;
    let (server, proxy) = (Arc::new(server), Arc::new(proxy));
    let (done, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing =
        tokio::spawn(writes(Arc::clone(&server), Arc::clone(&written), Arc::clone(&done)));
    let losses = Arc::new(AtomicU64::new(0));
    let cutting = tokio::spawn(cuts(Arc::clone(&proxy), Arc::clone(&losses), Arc::clone(&done)));
    let general = room_name("general");
    let mut held = String::new();
    // Reads when it is told to, and only then.
    loop {
        let is_over = writing.is_finished();
        let last = written.load(Ordering::SeqCst).to_string();
        if is_over && held == last {
            break;
        }
        let change = tokio::time::timeout(Duration::from_secs(10), reader.changes.next()).await;
        let Ok(change) = change else {
            assert_eq!(held, written.load(Ordering::SeqCst).to_string(), "a change was hidden");
            continue;
        };
        losses.fetch_add(u64::from(change == Some(KeptChange::Everything)), Ordering::SeqCst);
        if let Ok(people) = reader.redis.participants(&general, Payment::Waits).await
            && let [session] = &*people.sessions
        {
            held.clone_from(&session.profile.name);
        }
    }
    cutting.await.unwrap();
    assert!(losses.load(Ordering::SeqCst) >= LOSSES, "{losses:?}");
}
