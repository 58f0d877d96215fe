//! A tab says why the service refuses it, in the service's words, and does what helps.

use livekit_presence::livekit::VideoGrant;
use serde_json::json;

use crate::harness::{joined, left, started};

use super::fixture::{Fixture, alone, token_for, token_of};

#[tokio::test]
async fn a_client_that_may_not_read_is_told_why_and_does_not_try_again() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    let other = VideoGrant { room: "music".into(), room_join: true, ..VideoGrant::default() };
    let bad = format!("{}x", token_for(600));
    let cases = [
        (json!({}), 401),
        (json!({ "token": bad }), 401),
        (json!({ "tokens": [bad, bad] }), 401),
        (json!({ "token": token_of(&other, 600) }), 403),
        (json!({ "token": token_for(600), "room": "r".repeat(513) }), 400),
    ];
    for (options, status) in cases {
        let tab = fixture.watching(options).await;
        let refused = fixture.until_status(tab, "error").await;
        let error = refused.error.unwrap();
        assert_eq!(error.status, status, "{}", error.message);
        assert!(error.message.len() > 20 && !error.message.contains(&bad), "{}", error.message);
        assert_eq!(refused.statuses, ["connecting", "error"], "{:?}", refused.reasons);
    }
}

#[tokio::test]
async fn a_tab_whose_token_is_good_helps_the_others_out() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let bad = fixture.watching(json!({ "token": format!("{}x", token_for(600)) })).await;
    fixture.until_status(bad, "error").await;
    let good = fixture.watching(json!({ "token": token_for(600) })).await;
    for tab in [good, bad] {
        fixture.until_live(tab, &["alice"]).await;
    }
    assert_eq!(fixture.streams_open().await, 1.0);
}

#[tokio::test]
async fn a_token_that_is_refused_is_got_anew() {
    let mut fixture = Fixture::with(&[("LKP__AUTH__MODE", "livekit")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    for share in [true, false] {
        let tokens = [token_for(-600), token_for(600)];
        let tab = fixture.watching(json!({ "tokens": tokens, "share": share })).await;
        let shown = fixture.until_live(tab, &["alice"]).await;
        assert_eq!(shown.statuses, ["connecting", "live"]);
    }
}

#[tokio::test]
async fn without_streams_lists_are_asked_for() {
    let mut fixture = Fixture::with(&[("LKP__STREAM__ENABLED", "false")]).await;
    fixture.webhooks([started(), joined("alice")]).await;
    let tab = fixture.watching(json!({})).await;
    let shown = fixture.until_status(tab, "polling").await;
    assert_eq!(shown.people, ["alice"]);
    fixture.webhooks([joined("bob")]).await;
    let shown = fixture.until(tab, "bob", |shown| shown.people == ["alice", "bob"]).await;
    assert_eq!(shown.statuses, ["connecting", "polling"]);
    fixture.kill_service().await;
    fixture.until_status(tab, "disconnected").await;
}

#[tokio::test]
async fn a_client_that_gets_no_stream_for_now_polls_and_gets_one_later() {
    // Two tabs with a connection each. The second is refused with 429, and in the next round with 503.
    let limits = ["LKP__LIMITS__STREAMS_PER_ADDRESS", "LKP__LIMITS__STREAMS"];
    for limit in limits {
        let mut fixture =
            Fixture::with(&[(limit, "1"), ("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
        fixture.webhooks([started(), joined("alice")]).await;
        let first = fixture.watching(alone()).await;
        fixture.until_live(first, &["alice"]).await;
        let second = fixture.watching(alone()).await;
        let shown = fixture.until_status(second, "polling").await;
        assert_eq!((shown.people, shown.error), (vec!["alice".into()], None), "{limit}");
        fixture.browser.close_tab(first).await;
        fixture.webhooks([left("alice"), joined("bob")]).await;
        fixture
            .within(std::time::Duration::from_mins(1), second, "a stream", &mut |shown| {
                shown.status == "live" && shown.people == ["bob"]
            })
            .await;
    }
}

#[tokio::test]
async fn a_service_that_cannot_answer_is_asked_again() {
    // Nothing listens there, so the service can read nothing.
    let mut fixture = Fixture::with(&[("REDIS_URL", "redis://127.0.0.1:1")]).await;
    let tab = fixture.watching(json!({})).await;
    let shown = fixture.until_status(tab, "disconnected").await;
    let error = shown.error.unwrap();
    assert_eq!(error.status, 503, "{}", error.message);
    fixture.kill_service().await;
    fixture
        .until(tab, "another reason", |shown| {
            shown.error.as_ref().is_some_and(|error| error.status == 502)
        })
        .await;
}
