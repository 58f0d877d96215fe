//! Sentinels name the master. It dies or is replaced, and the service goes on with the next.

use crate::harness::{Process, RedisSentinels, eventually, joined, left, patiently, started};

use super::{
    connections::{working, works},
    fixture::Fixture,
};

#[tokio::test]
async fn a_master_is_killed_and_streams_go_on_with_the_next() {
    let mut redis = RedisSentinels::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    fixture.enters(&joined("bob")).await;
    fixture.becomes_right().await;
    redis.kill_master().await;
    fixture.is_away(&joined("early")).await;
    let master = redis.until_another_is_master(0).await;
    patiently("it to be fit", async || fixture.service.get("/readyz").await.status == 200).await;
    fixture.enters(&joined("carol")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
    assert!(!redis.servers[master].keys("lkp:room:*").await.is_empty());
    let named = format!("\"master\":\"127.0.0.1:{}\"", redis.servers[master].port);
    eventually("the master to be logged", async || fixture.service.log().contains(&named)).await;
}

#[tokio::test]
async fn a_master_that_is_demoted_and_lives_is_left() {
    let redis = RedisSentinels::start().await;
    let mut fixture = Fixture::on(&redis.url()).await;
    // The old master takes writes, and loses them, until the Sentinels demote it.
    let master = redis.demote_master().await;
    patiently("webhooks to be taken again", async || {
        let answer = fixture.sender.try_once(&started().room("another")).await;
        answer.is_ok_and(|answer| answer.status == 200)
    })
    .await;
    fixture.enters(&joined("bob")).await;
    fixture.leaves("alice").await;
    fixture.becomes_right().await;
    let key = redis.servers[master].keys("lkp:room:*:another").await;
    assert!(!key.is_empty(), "it is written where the master is");
}

#[tokio::test]
async fn sentinels_may_have_a_password_of_their_own() {
    let redis = RedisSentinels::with_sentinel_password(Some("s&cret")).await;
    let url = format!("{}?sentinel_password=s%26cret", redis.url());
    let (service, sender) = working(&url, &[("LKP__LOG__LEVEL", "trace")]).await;
    works(&service, &sender, "alice").await;
    sender.deliver(&left("alice")).await;
    let log = service.log();
    assert!(!log.contains("s&cret") && !log.contains("s%26cret"), "{log}");
}

#[tokio::test]
async fn sentinels_that_know_no_such_service_are_told_of() {
    let redis = RedisSentinels::start().await;
    let url = redis.url().replace("/presence", "/presense");
    let service = Process::start(&[("REDIS_URL", &url)]).await;
    eventually("the reason to be logged", async || {
        service.log().contains("check the service's name at the end of `store.redis_url`")
    })
    .await;
    assert_eq!(service.get("/readyz").await.status, 503);
}
