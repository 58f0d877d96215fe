//! `?view=count` on lists and streams.

use serde_json::{Value, json};

use crate::harness::{Subscriber, TestApp, joined, left, published, started};

async fn counted(app: &TestApp, target: &str) -> Subscriber {
    let bearer = format!("Bearer {}", app.list_token());
    app.open_stream(&format!("/api/livekit/{target}"), &[("Authorization", &bearer)]).await
}

/// The numbers of an event, without its version.
fn numbers(mut event: Value) -> Value {
    let version = event.as_object_mut().unwrap().remove("version");
    assert!(version.is_some_and(|version| version.is_u64()));
    event
}

#[tokio::test]
async fn a_stream_of_numbers_has_them_at_once_and_then_only_when_one_is_another() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), joined("helper").kind("AGENT")]).await;
    let mut stream = counted(&app, "participants/stream?room=general&view=count").await;
    let first = stream.next().await.unwrap();
    assert_eq!((&*first.name, &first.id), ("count", &None));
    assert_eq!(numbers(first.json()), json!({"people": 1, "agents": 1, "publishers": 0}));
    app.webhook(published("alice", "TR_1")).await;
    let second = stream.next().await.unwrap().json();
    assert_eq!(numbers(second), json!({"people": 1, "agents": 1, "publishers": 1}));
    // All of these change the list, and none of them a number.
    app.webhooks([
        published("alice", "TR_2"),
        published("helper", "TR_3"),
        joined("alice").version(3).name("Alice"),
    ])
    .await;
    app.webhook(left("helper")).await;
    let third = stream.next().await.unwrap().json();
    let list = app.participants("general").await;
    assert_eq!(list.header("etag"), format!("\"{}\"", third["version"]));
    assert_eq!(numbers(third), json!({"people": 1, "agents": 0, "publishers": 1}));
}

#[tokio::test]
async fn a_stream_of_many_rooms_has_the_numbers_of_each() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice"), started().room("music")]).await;
    let mut stream = counted(&app, "rooms/stream?room=general&room=music&view=count").await;
    let mut rooms = Vec::new();
    for _ in 0..2 {
        let event = stream.next().await.unwrap();
        assert_eq!(event.name, "room:count");
        rooms.push(numbers(event.json()));
    }
    let room = |room, people| json!({"room": room, "people": people, "agents": 0, "publishers": 0});
    assert_eq!(rooms, [room("general", 1), room("music", 0)]);
    app.webhook(joined("bob").room("music")).await;
    assert_eq!(numbers(stream.next().await.unwrap().json()), room("music", 1));
}

#[tokio::test]
async fn streams_of_lists_and_of_numbers_of_a_room_go_side_by_side() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    let mut numbers_only = counted(&app, "participants/stream?room=general&view=count").await;
    let mut lists = app.subscriber("general").await;
    let mut deltas = app.rooms_subscriber(&["general"]).await;
    numbers_only.next().await.unwrap();
    lists.next_list().await;
    deltas.next().await.unwrap();
    app.webhook(joined("alice").metadata(&"x".repeat(100_000))).await;
    assert_eq!(lists.next_list().await, ["alice"]);
    assert_eq!(deltas.next().await.unwrap().name, "room:delta");
    let event = numbers_only.next().await.unwrap();
    assert!(event.data.len() < 80, "{}", event.data);
    assert_eq!(event.json()["people"], 1);
}

#[tokio::test]
async fn a_get_of_the_numbers_is_304_while_they_are_what_the_client_has() {
    let app = TestApp::start().await;
    let target = "/api/livekit/participants?room=general&view=count";
    let unknown = app.get_as_operator(target).await;
    assert_eq!(unknown.text(), r#"{"people":0,"agents":0,"publishers":0,"version":0}"#);
    app.webhooks([started(), joined("alice")]).await;
    let first = app.get_as_operator(target).await;
    assert_eq!((first.header("x-cache"), first.header("cache-control")), ("store", "no-cache"));
    assert_eq!(numbers(first.json()), json!({"people": 1, "agents": 0, "publishers": 0}));
    assert!(first.text().starts_with(r#"{"people":1,"agents":0,"publishers":0,"version":"#));

    let bearer = format!("Bearer {}", app.list_token());
    let known = [("Authorization", &*bearer), ("If-None-Match", first.header("etag"))];
    app.webhook(joined("alice").sid("PA_again").name("Alice")).await;
    assert_ne!(app.participants("general").await.header("etag"), first.header("etag"));
    assert_eq!(app.get(target, &known).await.status, 304, "nobody came or went");
    app.webhook(joined("bob")).await;
    let other = app.get(target, &known).await;
    assert_eq!((other.status, &other.json()["people"]), (200, &2.into()));
}

#[tokio::test]
async fn a_view_that_does_not_exist_is_refused_with_those_that_do() {
    let app = TestApp::start().await;
    for target in [
        "participants?room=a&view=counts",
        "participants/stream?room=a&view=",
        "participants/stream?room=a&view=count&view=count",
        "rooms/stream?room=a&view=list",
    ] {
        let refused = app.get_as_operator(&format!("/api/livekit/{target}")).await;
        assert!(refused.problem(400).contains("`view` can be `count`"), "{target}");
    }
}
