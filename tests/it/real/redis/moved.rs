//! LiveKit is moved to another Redis, while the service goes on reading the one before.

use std::time::Instant;

use serde_json::json;

use crate::{
    harness::{RedisServer, patiently, wire},
    real::scenario::{Plan, Scenario},
};

async fn is_followed(scenario: &Scenario) -> bool {
    let answer = wire::get(scenario.service_address().port(), "/metrics").await;
    let (_, body) = answer.unwrap();
    let metrics = String::from_utf8(body.to_vec()).unwrap();
    metrics.lines().any(|line| line == "livekit_presence_livekit_redis_up 1")
}

#[tokio::test]
async fn livekit_is_moved_to_another_redis() {
    let plan =
        Plan { redis: true, reads_redis: true, ..Plan::named("LiveKit is moved to another Redis") };
    let Some(mut scenario) = plan.start().await else { return };
    let alice = scenario.join("alice").await;
    scenario.settles(&[&alice]).await;
    patiently("LiveKit's Redis to be followed", async || is_followed(&scenario).await).await;
    let other = RedisServer::start().await;
    let reconnects = alice.reconnects().await;
    scenario.livekit.kill().await;
    scenario.livekit.settings.redis = Some(json!({"address": format!("127.0.0.1:{}", other.port)}));
    scenario.livekit.start_again().await;
    scenario.acts();
    let began = Instant::now();
    alice.until_reconnected(reconnects).await;
    let (bob, carol) = (scenario.join("bob").await, scenario.join("carol").await);
    patiently("it to be left alone", async || !is_followed(&scenario).await).await;
    scenario.reports("left alone", began.elapsed(), "");
    scenario.settles(&[&alice, &bob, &carol]).await;
    alice.update(json!({"attributes": {"hand": "up"}})).await;
    alice.until("her change", |me| me.attributes.contains_key("hand")).await;
    scenario.settles(&[&alice, &bob, &carol]).await;
}
