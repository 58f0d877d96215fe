//! `GET /api/livekit/rooms/stream`.

use serde_json::json;

use crate::harness::{TestApp, finished, identities, joined, left, published, started};

#[tokio::test]
async fn each_room_is_sent_as_a_snapshot_and_then_as_deltas() {
    let app = TestApp::start().await;
    app.webhooks([joined("alice").room("a"), joined("bob").room("b")]).await;
    let mut subscriber = app.rooms_subscriber(&["a", "b", "c"]).await;
    let mut versions = Vec::new();
    for (room, people) in [("a", vec!["alice"]), ("b", vec!["bob"]), ("c", vec![])] {
        let snapshot = subscriber.next().await.unwrap();
        assert_eq!((snapshot.name.as_str(), snapshot.id.as_ref()), ("room:snapshot", None));
        let snapshot = snapshot.json();
        assert_eq!(snapshot["room"], room);
        assert_eq!(identities(&snapshot["participants"]), people);
        versions.push(snapshot["version"].as_u64().unwrap());
    }
    app.webhook(joined("carol").room("b")).await;
    let delta = subscriber.next().await.unwrap();
    assert_eq!((delta.name.as_str(), delta.id.as_ref()), ("room:delta", None));
    let joined_b = delta.json();
    assert_eq!(joined_b["room"], "b");
    assert_eq!(joined_b["prev"], versions[1]);
    assert_eq!(identities(&joined_b["joined"]), ["carol"]);
    assert_eq!((&joined_b["updated"], &joined_b["left"]), (&json!([]), &json!([])));

    app.webhook(published("carol", "TR_1").room("b")).await;
    let updated_b = subscriber.next().await.unwrap().json();
    assert_eq!(updated_b["prev"], joined_b["version"]);
    assert_eq!(updated_b["updated"][0]["tracks"][0]["sid"], "TR_1");

    app.webhook(left("alice").room("a")).await;
    let left_a = subscriber.next().await.unwrap().json();
    assert_eq!(left_a["prev"], versions[0]);
    assert_eq!(left_a["left"], json!([{"sid": "PA_alice", "identity": "alice"}]));
}

#[tokio::test]
async fn folding_the_deltas_gives_the_list() {
    let app = TestApp::start().await;
    let mut subscriber = app.rooms_subscriber(&["general"]).await;
    let mut people = std::collections::BTreeMap::new();
    let mut version = subscriber.next().await.unwrap().json()["version"].clone();
    let names: Vec<_> = (0..40).map(|number| format!("user-{number:02}")).collect();
    app.webhook(started()).await;
    for (index, name) in names.iter().enumerate() {
        app.webhooks([joined(name), published(name, "TR_1")]).await;
        if index % 3 == 0 {
            app.webhook(left(name)).await;
        }
    }
    let expected = app.participants("general").await;
    let last: u64 = expected.header("etag").trim_matches('"').parse().unwrap();
    while version != last {
        let delta = subscriber.next().await.unwrap().json();
        assert_eq!(delta["prev"], version, "nothing was missed");
        version = delta["version"].clone();
        for change in ["joined", "updated"] {
            for one in delta[change].as_array().unwrap() {
                people.insert(one["identity"].to_string(), one.clone());
            }
        }
        for one in delta["left"].as_array().unwrap() {
            people.remove(&one["identity"].to_string());
        }
    }
    let folded: Vec<_> = people.into_values().collect();
    assert_eq!(json!(folded), expected.json(), "by identity is by join time here");
}

#[tokio::test]
async fn a_session_that_replaces_another_is_an_update_of_its_identity() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let mut subscriber = app.rooms_subscriber(&["general"]).await;
    subscriber.next().await.unwrap();
    app.webhook(joined("alice").sid("PA_again")).await;
    let delta = subscriber.next().await.unwrap().json();
    assert_eq!(delta["updated"][0]["sid"], "PA_again");
    assert_eq!((&delta["joined"], &delta["left"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn a_room_named_twice_is_told_once() {
    let app = TestApp::start().await;
    let mut subscriber = app.rooms_subscriber(&["general", "general", "music"]).await;
    assert_eq!(subscriber.next().await.unwrap().json()["room"], "general");
    assert_eq!(subscriber.next().await.unwrap().json()["room"], "music");
    app.webhook(finished()).await;
    assert_eq!(subscriber.next().await.unwrap().json()["room"], "general");
    app.webhook(started().room("music")).await;
    assert_eq!(subscriber.next().await.unwrap().json()["room"], "music");
}

#[tokio::test]
async fn a_hundred_rooms_fit_on_one_connection_and_no_more() {
    let app = TestApp::start().await;
    let rooms: Vec<_> = (0..101).map(|number| format!("room-{number}")).collect();
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut subscriber = app.rooms_subscriber(&names[..100]).await;
    for room in &names[..100] {
        assert_eq!(subscriber.next().await.unwrap().json()["room"], *room);
    }
    app.webhook(joined("alice").room("room-99")).await;
    assert_eq!(subscriber.next().await.unwrap().json()["room"], "room-99");
    let too_many = format!("/api/livekit/rooms/stream?room={}", names.join("&room="));
    assert!(app.get_as_operator(&too_many).await.problem(400).contains("at most 100 rooms"));
}

#[tokio::test]
async fn snapshots_larger_than_the_socket_takes_at_once_arrive_whole_and_in_order() {
    let app = TestApp::start().await;
    let rooms: Vec<_> = (0..20).map(|number| format!("room-{number}")).collect();
    for room in &rooms {
        let webhook = joined("alice").room(room).metadata(&"x".repeat(300_000));
        app.webhook(webhook).await;
    }
    let names: Vec<&str> = rooms.iter().map(String::as_str).collect();
    let mut subscriber = app.rooms_subscriber(&names).await;
    for room in &names {
        let snapshot = subscriber.next().await.unwrap().json();
        assert_eq!(snapshot["room"], *room);
        assert_eq!(snapshot["participants"][0]["metadata"].as_str().unwrap().len(), 300_000);
    }
    assert!(app.metric("slow_subscribers_total").await >= 1.0, "the socket was full in between");
}
