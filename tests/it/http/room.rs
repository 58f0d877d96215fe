//! `GET /api/livekit/rooms/{room}`.

use livekit_presence::livekit::VideoGrant;
use serde_json::json;

use crate::harness::{Response, StoreFault, TestApp, finished, joined, left, published, started};

const GENERAL: &str = "/api/livekit/rooms/general";

/// The answer to a holder of the room's token.
async fn read(app: &TestApp, more: &[(&str, &str)]) -> Response {
    let bearer = format!("Bearer {}", app.token("general", 60));
    app.get(GENERAL, &[&[("Authorization", bearer.as_str())], more].concat()).await
}

#[tokio::test]
async fn it_is_the_rooms_item_in_the_list_with_its_sid_its_metadata_and_its_version() {
    let app = TestApp::start().await;
    app.webhooks([
        started().room_metadata(r#"{"topic":"news"}"#),
        joined("alice").room_metadata(r#"{"topic":"news"}"#),
        published("alice", "TR_1"),
        joined("helper").kind("AGENT"),
    ])
    .await;
    let response = read(&app, &[]).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-cache");
    assert_eq!(response.header("x-cache"), "store");
    let version = app.participants("general").await.header("etag").trim_matches('"').to_owned();
    assert_eq!(
        response.text(),
        format!(
            r#"{{"name":"general","numParticipants":2,"exact":true,"people":1,"agents":1,"publishers":1,"startedAt":1795391845000,"recording":false,"active":true,"sid":"RM_general","metadata":"{{\"topic\":\"news\"}}","version":{version}}}"#
        )
    );
    let mut listed = app.rooms().await[0].clone();
    for (field, value) in response.json().as_object().unwrap() {
        if listed.get(field).is_none() {
            listed[field] = value.clone();
        }
    }
    assert_eq!(listed, response.json(), "the rest is as in the list");
}

#[tokio::test]
async fn a_known_answer_is_304_until_the_metadata_or_the_list_is_another() {
    let app = TestApp::start().await;
    app.webhooks([started().room_metadata("old"), joined("alice").room_metadata("old")]).await;
    let first = read(&app, &[]).await;
    let etag = first.header("etag");
    let known = read(&app, &[("If-None-Match", etag)]).await;
    assert_eq!((known.status, known.header("etag"), known.text()), (304, etag, ""));
    app.webhook(left("nobody").room_metadata("new")).await;
    let second = read(&app, &[("If-None-Match", etag)]).await;
    assert_eq!(second.status, 200);
    assert_eq!(second.json()["metadata"], "new");
    assert_eq!(second.json()["version"], first.json()["version"], "the list is the same");
    let etag = second.header("etag");
    app.webhook(joined("bob").room_metadata("new")).await;
    assert_eq!(read(&app, &[("If-None-Match", etag)]).await.status, 200);
}

#[tokio::test]
async fn a_room_that_nobody_knows_is_empty_and_not_active() {
    let app = TestApp::start().await;
    let response = read(&app, &[]).await;
    assert_eq!(response.status, 200);
    assert_eq!(response.header("x-cache"), "stale");
    let nobody = json!({
        "name": "general", "numParticipants": 0, "exact": false, "people": 0, "agents": 0,
        "publishers": 0, "startedAt": null, "active": false, "version": 0,
    });
    assert_eq!(response.json(), nobody);
    assert_eq!(app.rooms().await, json!([]), "it is not remembered");
}

#[tokio::test]
async fn a_room_that_has_ended_is_not_active_and_has_no_metadata() {
    let app = TestApp::start().await;
    app.webhooks([
        started().room_metadata("old"),
        joined("alice").room_metadata("old"),
        left("alice").room_metadata("old"),
        finished().room_metadata("old"),
    ])
    .await;
    let room = read(&app, &[]).await.json();
    assert_eq!((&room["active"], &room["exact"]), (&false.into(), &true.into()));
    assert_eq!((room.get("sid"), room.get("metadata")), (None, None));
}

#[tokio::test]
async fn metadata_that_is_not_known_is_left_out() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    assert_eq!(read(&app, &[]).await.json().get("metadata"), None);
    app.webhook(joined("bob").room_metadata("")).await;
    assert_eq!(read(&app, &[]).await.json()["metadata"], "");
}

#[tokio::test]
async fn a_hot_room_and_one_that_nothing_confirmed_say_so() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    assert_eq!(read(&app, &[]).await.header("x-cache"), "stale", "the start was missed");
    app.webhooks([left("alice"), finished(), started()]).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    let hot = read(&app, &[]).await;
    assert_eq!((hot.header("x-cache"), &hot.json()["exact"]), ("hot", &true.into()));
}

#[tokio::test]
async fn who_reads_the_rooms_people_reads_the_room() {
    let app = TestApp::start().await;
    app.webhook(started().room_metadata("old")).await;
    let grant = VideoGrant { room: "general".to_owned(), ..VideoGrant::default() };
    let cases = [
        ("joins it", VideoGrant { room_join: true, ..grant.clone() }, 200),
        ("moderates it", VideoGrant { room_admin: true, ..grant.clone() }, 200),
        ("lists rooms", VideoGrant { room_list: true, ..VideoGrant::default() }, 200),
        ("moderates all", VideoGrant { room_admin: true, ..VideoGrant::default() }, 200),
        ("nothing", VideoGrant::default(), 403),
        ("only names it", grant.clone(), 403),
        ("joins another", VideoGrant { room: "den".to_owned(), room_join: true, ..grant }, 403),
    ];
    for (which, grant, status) in cases {
        let token = app.token_with(grant, "alice", 60);
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str())];
        let list = app.get("/api/livekit/participants?room=general", &headers).await;
        let room = app.get(GENERAL, &headers).await;
        assert_eq!((room.status, list.status), (status, status), "{which}");
        assert_eq!(app.get(&format!("{GENERAL}?access_token={token}"), &[]).await.status, status);
    }
    app.get(GENERAL, &[]).await.problem(401);
    let expired = format!("Bearer {}", app.token("general", -120));
    app.get(GENERAL, &[("Authorization", &expired)]).await.problem(401);
    let open = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    assert_eq!(open.get(GENERAL, &[]).await.status, 200);
}

#[tokio::test]
async fn a_name_in_the_path_is_decoded_and_one_that_no_room_has_is_refused() {
    let app = TestApp::start().await;
    app.webhook(started().room("a/b c")).await;
    let bearer = format!("Bearer {}", app.list_token());
    let get = async |path: &str| app.get(path, &[("Authorization", &bearer)]).await;
    assert_eq!(get("/api/livekit/rooms/a%2Fb%20c").await.json()["active"], true);
    get("/api/livekit/rooms/a%00b").await.problem(400);
    get("/api/livekit/rooms/%FF").await.problem(400);
    assert_eq!(get("/api/livekit/rooms/stream").await.status, 400, "that is another route");
}

#[tokio::test]
async fn head_options_and_other_methods_are_as_for_the_neighbours() {
    let app = TestApp::with(&[("LKP__HTTP__CORS_ORIGINS", "https://app.example")]).await;
    app.webhook(started().room_metadata("old")).await;
    let bearer = format!("Bearer {}", app.token("general", 60));
    let headers = [("Authorization", bearer.as_str()), ("Origin", "https://app.example")];
    let head = app.ask("HEAD", GENERAL, &headers).await;
    assert_eq!((head.status, head.text()), (200, ""));
    assert_eq!(head.header("access-control-allow-origin"), "https://app.example");
    let asks = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    let allowed = app.ask("OPTIONS", GENERAL, &asks).await;
    assert_eq!(allowed.status, 200);
    assert!(allowed.header("access-control-allow-methods").contains("GET"));
    assert_eq!(app.ask("DELETE", GENERAL, &headers).await.status, 403, "it is for moderators");
    let other = app.ask("POST", GENERAL, &headers).await;
    assert_eq!((other.status, other.header("allow")), (405, "DELETE,GET,HEAD"));
}

#[tokio::test]
async fn while_the_store_fails_it_is_503() {
    let app = TestApp::start().await;
    app.webhook(started()).await;
    app.store.set_fault(StoreFault::Fails);
    assert!(read(&app, &[]).await.problem(503).contains("ask again"));
}

#[tokio::test]
async fn the_feed_tells_of_another_metadata_and_a_filter_passes_it() {
    let app = TestApp::start().await;
    app.webhook(started().room_metadata("old")).await;
    let mut feed = app.feed("?event=room_metadata_changed").await;
    assert_eq!(feed.next_message().await.unwrap().json()["event"], "connected");
    app.webhooks([joined("alice").room_metadata("old"), joined("bob").room_metadata("new")]).await;
    let event = feed.next_message().await.unwrap().json();
    assert_eq!(event["room"], "general");
    assert_eq!(
        event["data"],
        json!({"room": {"sid": "RM_general", "name": "general", "metadata": "new"}})
    );
    assert_eq!(event["source"], "webhook");
}
