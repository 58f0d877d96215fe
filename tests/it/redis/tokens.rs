//! Tokens from several instances on one Redis: however they are asked, somebody gets as many as one instance would give.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{AppSigner, Connection, Response, eventually, request_head};

use super::fleet::Fleet;

const SECRET: &str = "secret-of-the-app-0123456789abcdef";

async fn fleet() -> Fleet {
    let keys = format!("app: {SECRET}");
    let settings =
        [("LKP__TOKENS__KEYS", &*keys), ("LKP__TOKENS__URL", "wss://livekit.example.com")];
    Fleet::of(3, &settings).await
}

/// Asks an instance for a token.
async fn ask(fleet: &Fleet, index: usize, identity: &str) -> Response {
    let token = json!({"sub": identity, "exp": 9_999_999_999_u64});
    let bearer = format!("Bearer {}", AppSigner::secret(SECRET).sign(None, &token));
    let body = r#"{"room":"general"}"#;
    let length = body.len().to_string();
    let headers = [("Authorization", bearer.as_str()), ("Content-Length", &length)];
    let mut request = request_head("POST", "/api/livekit/token", &headers);
    request.extend_from_slice(body.as_bytes());
    let mut connection = Connection::open(fleet.instances[index].address).await;
    connection.send(&request).await;
    connection.response().await
}

#[tokio::test]
async fn the_21st_of_21_is_refused_on_any_mix_of_instances() {
    let fleet = fleet().await;
    for mix in ["012012012012012012012", "000000000000000000001", "222221111100000222221"] {
        let mut answers = Vec::new();
        for index in mix.chars().map(|one| one.to_digit(10).unwrap() as usize) {
            answers.push(ask(&fleet, index, mix).await);
        }
        let (last, first) = answers.split_last().unwrap();
        assert!(first.iter().all(|answer| answer.status == 200), "{mix}");
        last.problem(429);
        let wait: u64 = last.header("retry-after").parse().unwrap();
        assert!((45..=60).contains(&wait), "{mix}: {wait}");
    }
    let at_once = join_all((0..21).map(|number| ask(&fleet, number % 3, "all at once"))).await;
    let refused = at_once.iter().filter(|answer| answer.status == 429).count();
    assert_eq!((at_once.len() - refused, refused), (20, 1));
}

#[tokio::test]
async fn tokens_are_issued_while_redis_is_away_and_each_is_counted() {
    let mut fleet = fleet().await;
    assert_eq!(ask(&fleet, 0, "alice").await.status, 200);
    fleet.redis.pause();
    let asked_at = Instant::now();
    assert_eq!(ask(&fleet, 0, "alice").await.status, 200);
    assert!(asked_at.elapsed() < Duration::from_secs(4), "a store that hangs is not waited for");
    fleet.redis.resume();
    fleet.redis.kill().await;
    for number in 0..25 {
        let answer = ask(&fleet, number % 3, "alice").await;
        assert_eq!((answer.status, answer.head.get("ratelimit-limit")), (200, None));
    }
    eventually("them to be counted", async || {
        let mut counted = 0;
        for instance in &fleet.instances {
            let metrics = instance.get("/metrics").await;
            let line = metrics.text().lines().find_map(|line| {
                line.strip_prefix("livekit_presence_tokens_unlimited_total ").map(str::to_owned)
            });
            counted += line.unwrap().parse::<u32>().unwrap();
        }
        counted == 26
    })
    .await;
    assert!(fleet.instances[0].log().contains("the store does not count who gets tokens"));
}
