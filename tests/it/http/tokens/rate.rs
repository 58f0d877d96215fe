//! How often somebody gets a token. `redis::tokens` has the same on several instances.

use super::{app_token, ask, with_app_keys};

fn number(answer: &crate::harness::Response, header: &str) -> u64 {
    answer.header(header).parse().unwrap()
}

#[tokio::test]
async fn the_21st_within_a_minute_is_refused_with_when_to_come_back() {
    let app = with_app_keys(&[]).await;
    let token = app_token("alice");
    for taken in 1..=20 {
        let answer = ask(&app, &token, "general").await;
        assert_eq!(answer.status, 200, "{taken}");
        assert_eq!(number(&answer, "ratelimit-limit"), 20);
        assert_eq!(number(&answer, "ratelimit-remaining"), 20 - taken);
        assert!((50..=60).contains(&number(&answer, "ratelimit-reset")));
    }
    // Another room, or another token of the same person, changes nothing.
    for (token, room) in [(&token, "general"), (&token, "other"), (&app_token("alice"), "general")]
    {
        let refused = ask(&app, token, room).await;
        let wait = number(&refused, "retry-after");
        assert!((50..=60).contains(&wait), "{wait}");
        assert_eq!(
            refused.problem(429),
            format!("you get 20 tokens within a minute; ask again in {wait} seconds")
        );
        assert_eq!(number(&refused, "ratelimit-remaining"), 0);
        assert_eq!(number(&refused, "ratelimit-reset"), wait);
        assert!(!refused.text().contains("eyJ"));
    }
    assert_eq!(ask(&app, &app_token("bob"), "general").await.status, 200, "each has their own");
    assert_eq!(app.metric("tokens_unlimited_total").await, 0.0);
}

#[tokio::test]
async fn requests_that_are_refused_before_anybody_is_known_do_not_count() {
    let app = with_app_keys(&[("LKP__TOKENS__PER_MINUTE", "1")]).await;
    for _ in 0..5 {
        let answer = ask(&app, "garbage", "general").await;
        assert_eq!((answer.status, answer.head.get("ratelimit-limit")), (401, None));
    }
    assert_eq!(ask(&app, &app_token("alice"), "general").await.status, 200);
    assert_eq!(ask(&app, &app_token("alice"), "general").await.status, 429);
}

#[tokio::test]
async fn the_limit_can_be_turned_off() {
    let app = with_app_keys(&[("LKP__TOKENS__PER_MINUTE", "0")]).await;
    for _ in 0..50 {
        let answer = ask(&app, &app_token("alice"), "general").await;
        assert_eq!((answer.status, answer.head.get("ratelimit-limit")), (200, None));
    }
}
