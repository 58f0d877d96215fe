//! The service with LiveKit's own Redis: what it logs and counts.

use crate::harness::{
    PROCESS_KEYS, Process, RedisServer, ScriptedLiveKit, TcpProxy, eventually, url_of,
};

use super::fixture::{acl_of_reader, acl_without_nodes, room};

pub async fn metric(service: &Process, line: &str) -> bool {
    let metrics = service.get("/metrics").await;
    metrics.text().lines().any(|one| one == line)
}

#[tokio::test]
async fn the_store_may_be_in_the_same_redis_and_what_is_wrong_is_logged_once() {
    let server = RedisServer::start().await;
    server.ask(&["HSET", "rooms", "general", &room("general", "")]).await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let service = Process::start(&[
        ("LIVEKIT_URL", &livekit.url()),
        ("REDIS_URL", &server.url()),
        ("LIVEKIT_REDIS_URL", "store"),
    ])
    .await;
    let is_wrong = "cannot follow LiveKit's Redis";
    eventually("the log to say it", async || service.log().contains(is_wrong)).await;
    assert!(service.log().contains("it has no `livekit_version`"), "{}", service.log());
    assert!(metric(&service, "livekit_presence_livekit_redis_up 0").await);
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    eventually("it to be followed", async || {
        metric(&service, "livekit_presence_livekit_redis_up 1").await
    })
    .await;
    let is_followed = "following LiveKit's Redis";
    eventually("the log to say that", async || service.log().contains(is_followed)).await;
    assert_eq!(service.log().matches(is_wrong).count(), 1, "{}", service.log());
}

#[tokio::test]
async fn a_connection_that_comes_and_goes_is_told_of_once() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    let proxy = TcpProxy::start(server.port).await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let address = url_of(proxy.port);
    let service =
        Process::start(&[("LIVEKIT_URL", &livekit.url()), ("LIVEKIT_REDIS_URL", &address)]).await;
    let is_up = "livekit_presence_livekit_redis_up 1";
    eventually("it to be followed", async || metric(&service, is_up).await).await;
    let everything = "livekit_redis_invalidations_total{what=\"everything\"}";
    for round in 2..=10 {
        proxy.cut();
        let line = format!("livekit_presence_{everything} {round}");
        eventually("another connection", async || metric(&service, &line).await).await;
    }
    let log = service.log();
    let lost: Vec<_> =
        log.lines().filter(|line| line.contains("cannot follow LiveKit's Redis")).collect();
    // It may show in two ways.
    assert!((1..=2).contains(&lost.len()), "{lost:#?}");
    let followed = log.matches("following LiveKit's Redis").count();
    assert!((2..=3).contains(&followed), "{followed}");
}

#[tokio::test]
async fn a_user_who_may_not_see_servers_is_told_once_and_everything_else_works() {
    let server = RedisServer::start().await;
    server.ask(&["SET", "livekit_version", "1.13.5"]).await;
    server.ask(&["HSET", "nodes", "ND_1", "1"]).await;
    server.ask(&acl_without_nodes()).await;
    let livekit = ScriptedLiveKit::start(PROCESS_KEYS).await;
    let url = format!("redis://reader:secret@127.0.0.1:{}", server.port);
    let service =
        Process::start(&[("LIVEKIT_URL", &livekit.url()), ("LIVEKIT_REDIS_URL", &url)]).await;
    let is_missing = "give it ~nodes";
    eventually("the log to say it", async || service.log().contains(is_missing)).await;
    let refused = "livekit_presence_livekit_redis_reads_total{what=\"nodes\",outcome=\"down\"} 3";
    eventually("it to be refused again", async || metric(&service, refused).await).await;
    assert_eq!(service.log().matches(is_missing).count(), 1, "{}", service.log());
    assert!(metric(&service, "livekit_presence_livekit_redis_up 1").await);
    assert!(metric(&service, "livekit_presence_livekit_redis_nodes 0").await);
    server.ask(&acl_of_reader(&[])).await;
    eventually("its servers to be seen", async || {
        metric(&service, "livekit_presence_livekit_redis_nodes 1").await
    })
    .await;
}
