//! What all instances did, as each of them sums it.

use std::time::Duration;

use livekit_presence::{
    coordination::{Peers, Told},
    presence::Rules,
};
use serde_json::Value;

use crate::harness::{Process, RedisServer, Sender, eventually, joined, patiently, started};

use super::fleet::Fleet;

async fn figures(instance: &Process, query: &str) -> Value {
    let answer = instance.get(&format!("/api/livekit/figures{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// How much a series adds up to, with steps of five seconds.
fn total(figures: &Value, series: &str) -> f64 {
    let rates = figures["series"][series].as_array().unwrap().iter();
    rates.filter_map(Value::as_f64).sum::<f64>() * 5.0
}

/// Which instances are in the newest sum, and which are missing.
fn counted(figures: &Value) -> (usize, Vec<&str>) {
    let instances = figures["instances"].as_array().unwrap();
    let missing: Vec<_> = instances.iter().filter_map(|one| one["missing"].as_str()).collect();
    (instances.len() - missing.len(), missing)
}

#[tokio::test]
async fn each_instance_sums_what_all_did_and_says_who_is_missing() {
    let mut fleet = Fleet::of(2, &[]).await;
    // A step before, so that what follows lies in whole ones.
    for instance in &fleet.instances {
        let has_step = async || figures(instance, "").await["times"] != serde_json::json!([]);
        eventually("a step", has_step).await;
    }
    for port in &fleet.ports {
        let sender = Sender::to(&[*port]);
        sender.deliver(&started().room(&port.to_string())).await;
        for number in 0..9 {
            sender.deliver(&joined(&format!("user {number}")).room(&port.to_string())).await;
        }
    }
    for instance in &fleet.instances {
        patiently("the sum", async || {
            let all = figures(instance, "?instances=all").await;
            counted(&all) == (2, vec![]) && (total(&all, "webhooks") - 20.0).abs() < 0.2
        })
        .await;
        let one = total(&figures(instance, "").await, "webhooks");
        assert!((one - 10.0).abs() < 0.2, "{one}");
        let all = figures(instance, "?instances=all").await;
        let newest = all["times"].as_array().unwrap().last().unwrap();
        let later = figures(instance, &format!("?instances=all&since={newest}")).await;
        assert!(later["times"].as_array().unwrap().len() <= 3, "{later}");
    }

    fleet.instances[1].kill().await;
    patiently("the other to be missing", async || {
        let all = figures(&fleet.instances[0], "?instances=all").await;
        let (count, missing) = counted(&all);
        count == 1 && missing[0].contains("it ended, or cannot reach the store")
    })
    .await;
    fleet.redis.kill().await;
    let refused = eventually_refused(&fleet.instances[0]).await;
    assert!(refused.contains("leave out `instances`"), "{refused}");
    assert_eq!(fleet.instances[0].get("/api/livekit/figures").await.status, 200);
}

#[tokio::test]
async fn what_is_told_again_because_redis_answered_late_is_kept_once() {
    let redis = RedisServer::start().await;
    let (_store, peers) = redis.store(Rules::default(), None);
    let lines = |times: &[u64]| times.iter().map(|at| format!("[{at},[],[]]")).collect::<Vec<_>>();
    let told = |times: &[u64]| Told {
        instance: "0a".into(),
        at_ms: *times.last().unwrap(),
        layout: 1,
        lines: lines(times),
    };
    let hour = Duration::from_hours(1);
    peers.tell(&told(&[5_000]), 720, hour).await.unwrap();
    redis.pause();
    peers.tell(&told(&[10_000, 15_000]), 720, hour).await.unwrap_err();
    redis.resume();
    let all = async || peers.told(100, 10).await.unwrap().remove(0);
    eventually("it to be carried out", async || all().await.lines.len() == 3).await;
    peers.tell(&told(&[10_000, 15_000, 20_000]), 720, hour).await.unwrap();
    assert_eq!(all().await, told(&[5_000, 10_000, 15_000, 20_000]));
}

/// Until the next sum is due, the last one is answered.
async fn eventually_refused(instance: &Process) -> String {
    patiently("a refusal", async || {
        instance.get("/api/livekit/figures?instances=all").await.status == 503
    })
    .await;
    instance.get("/api/livekit/figures?instances=all").await.problem(503)
}
