//! `GET /api/livekit/participants`.

use std::time::Duration;

use livekit_presence::presence::HostTime;
use serde_json::json;

use crate::harness::{StoreFault, TestApp, finished, joined, left, published, started};

#[tokio::test]
async fn the_list_is_a_json_array_with_a_version_and_says_where_it_comes_from() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice").metadata("{}"), joined("bob").hidden()]).await;
    app.webhook(published("alice", "TR_1")).await;
    let response = app.participants("general").await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-cache");
    assert_eq!(response.header("x-cache"), "store");
    let joined_at = &response.json()[0]["joinedAt"];
    assert_eq!(
        response.text(),
        format!(
            r#"[{{"sid":"PA_alice","identity":"alice","name":"alice","metadata":"{{}}","attributes":{{}},"kind":"STANDARD","joinedAt":{joined_at},"isPublisher":true,"tracks":[{{"sid":"TR_1","source":"MICROPHONE","type":"AUDIO","muted":false,"name":""}}]}}]"#
        )
    );
}

#[tokio::test]
async fn fields_of_newer_servers_follow_the_others() {
    let app = TestApp::start().await;
    let permission = json!({"canSubscribe": true, "canPublishData": true});
    let agent = joined("helper")
        .kind("AGENT")
        .with("kindDetails", json!(["CLOUD_AGENT", "NEWER"]))
        .with("permission", permission)
        .with("dataTracks", json!([{"pubHandle": 1, "sid": "DTR_1", "name": "telemetry"}]));
    app.webhooks([started(), agent]).await;
    let list = app.participants("general").await;
    let fields = r#""tracks":[],"permission":{"canPublish":false,"canSubscribe":true,"canPublishData":true},"kindDetails":["CLOUD_AGENT","NEWER"],"dataTracks":[{"sid":"DTR_1","name":"telemetry"}]}]"#;
    assert!(list.text().ends_with(fields), "{}", list.text());
}

#[tokio::test]
async fn how_far_a_telephone_call_is_stands_in_an_attribute() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("caller").calling("ringing")]).await;
    let list = app.participants("general").await.json();
    assert_eq!(list[0]["kind"], "SIP");
    assert_eq!(list[0]["attributes"], json!({"sip.callStatus": "ringing"}));
}

#[tokio::test]
async fn the_etag_is_the_version_and_a_known_one_is_304() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    let first = app.participants("general").await;
    let version = subscriber.next().await.unwrap().version();
    assert_eq!(first.header("etag"), format!("\"{version}\""));
    let bearer = format!("Bearer {}", app.list_token());
    let target = "/api/livekit/participants?room=general";
    let ask = |etag: String| {
        let bearer = bearer.clone();
        let app = &app;
        async move { app.get(target, &[("Authorization", &bearer), ("If-None-Match", &etag)]).await }
    };
    let known = ask(format!("W/\"1\", \"{version}\"")).await;
    assert_eq!((known.status, known.header("etag")), (304, first.header("etag")));
    app.webhook(joined("alice")).await;
    assert_eq!(ask(format!("\"{version}\"")).await.status, 200);
}

#[tokio::test]
async fn a_room_that_nobody_watches_is_read_as_it_is_after_each_change() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let mut versions = Vec::new();
    let mut steps = [
        (joined("alice"), "alice"),
        (joined("bob"), "alice bob"),
        (published("alice", "TR_1"), "alice bob"),
        (left("alice"), "bob"),
        (joined("carol").hidden(), "bob"),
        (finished(), ""),
    ];
    for (webhook, expected) in &mut steps {
        app.webhook(webhook.clone()).await;
        let (first, again) = (app.participants("general").await, app.participants("general").await);
        let list = first.json();
        let identities: Vec<_> =
            list.as_array().unwrap().iter().map(|one| one["identity"].as_str().unwrap()).collect();
        assert_eq!(identities.join(" "), *expected);
        assert_eq!(first.text(), again.text());
        assert_eq!(first.header("etag"), again.header("etag"));
        versions.push(first.header("etag").to_owned());
    }
    versions.dedup();
    assert_eq!(versions.len(), 5, "whoever is hidden changes nothing: {versions:?}");
}

#[tokio::test]
async fn a_hot_room_is_read_from_what_its_streams_show() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    app.webhook(joined("alice")).await;
    let event = subscriber.next().await.unwrap();
    let response = app.participants("general").await;
    assert_eq!(response.header("x-cache"), "hot");
    assert_eq!(response.text(), event.data, "the same bytes");
    assert_eq!(app.metric("reads_total{result=\"hot\"}").await, 1.0);
}

#[tokio::test]
async fn a_list_that_may_not_be_everybody_is_marked_stale() {
    let app = TestApp::start().await;
    let cache = async |room: &str| app.participants(room).await.header("x-cache").to_owned();
    assert_eq!(cache("never-heard-of").await, "stale");
    app.webhook(joined("alice")).await;
    assert_eq!(cache("general").await, "stale", "alice may not be alone: the start was missed");
    app.webhooks([left("alice"), finished()]).await;
    assert_eq!(cache("general").await, "store", "it is closed");
    app.webhook(started()).await;
    assert_eq!(cache("general").await, "store");
    let mut subscriber = app.subscriber("partial").await;
    subscriber.next_list().await;
    app.webhook(joined("bob").room("partial")).await;
    subscriber.next_list().await;
    assert_eq!(cache("partial").await, "stale", "also while it is hot");
}

#[tokio::test]
async fn a_list_that_nothing_confirmed_for_long_is_stale_and_still_there() {
    let app = TestApp::with(&[("LKP__PRESENCE__TTL", "60s")]).await;
    let start = HostTime::from_millis(1_800_000_000_000);
    app.clock.set(start);
    app.webhooks([started(), joined("alice")]).await;
    app.clock.set(start + Duration::from_secs(61));
    let response = app.participants("general").await;
    assert_eq!(response.header("x-cache"), "stale");
    assert_eq!(response.json()[0]["identity"], "alice");
}

#[tokio::test]
async fn an_unknown_room_is_an_empty_list_and_is_not_remembered() {
    let app = TestApp::start().await;
    let response = app.participants("nobody-here").await;
    assert_eq!((response.status, response.text()), (200, "[]"));
    assert_eq!(response.header("etag"), "\"0\"");
    assert_eq!(app.rooms().await.as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let bearer = format!("Bearer {}", app.list_token());
    let target = "/api/livekit/participants?room=general";
    let response = app.ask("HEAD", target, &[("Authorization", &bearer)]).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/json");
    assert!(response.header("etag").len() > 10);
}

#[tokio::test]
async fn when_the_store_fails_a_cold_room_is_503_and_a_hot_one_goes_on() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    app.store.set_fault(StoreFault::Fails);
    let cold = app.participants("another").await;
    assert!(cold.problem(503).contains("ask again"));
    assert_eq!(cold.header("retry-after"), "1");
    let hot = app.participants("general").await;
    assert_eq!(hot.json()[0]["identity"], "alice");
}

#[tokio::test]
async fn names_are_taken_as_they_are() {
    let app = TestApp::start().await;
    app.webhook(joined("ålice").room("Zimmer 7/ä&b=c 🚪")).await;
    let response = app.participants("Zimmer+7%2F%C3%A4%26b%3Dc%20%F0%9F%9A%AA").await;
    assert_eq!(response.json()[0]["identity"], "ålice");
}
