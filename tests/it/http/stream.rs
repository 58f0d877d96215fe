//! `GET /api/livekit/participants/stream`.

use std::time::Duration;

use crate::harness::{
    Connection, StoreFault, Subscriber, TestApp, eventually, joined, left, published, started,
};

#[tokio::test]
async fn the_list_comes_at_once_and_again_at_each_change() {
    let app = TestApp::start().await;
    app.webhooks([started(), joined("alice")]).await;
    let mut subscriber = app.subscriber("general").await;
    let first = subscriber.next().await.unwrap();
    assert_eq!(first.name, "participants:update");
    assert_eq!(first.data, app.participants("general").await.text());
    app.webhook(joined("bob")).await;
    let second = subscriber.next().await.unwrap();
    assert!(second.version() > first.version());
    assert_eq!(second.json()[1]["identity"], "bob");
    app.webhook(left("alice")).await;
    assert_eq!(subscriber.next_list().await, ["bob"]);
}

#[tokio::test]
async fn a_stream_has_the_headers_that_proxies_and_browsers_need() {
    let app = TestApp::start().await;
    let subscriber = app.subscriber("general").await;
    let expected = [
        // Without a charset, common clients read it as Latin-1, by RFC 2616's rule for text.
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("connection", "close"),
        ("transfer-encoding", "chunked"),
    ];
    for (name, value) in expected {
        assert_eq!(subscriber.head.get(name), Some(value), "{:?}", subscriber.head);
    }
    assert_eq!(subscriber.head.status_line, "HTTP/1.1 200 OK");
    assert!(subscriber.head.get("date").is_some_and(|date| date.ends_with("GMT")));
    assert!(subscriber.head.get("x-request-id").is_some());
    assert_eq!(subscriber.head.get("content-length"), None);
    let named: Vec<_> = subscriber.head.headers.iter().map(|(name, _)| name).collect();
    let once: std::collections::HashSet<_> = named.iter().collect();
    assert_eq!(named.len(), once.len(), "no header comes twice: {named:?}");
}

#[tokio::test]
async fn each_client_is_told_when_to_come_back_and_not_all_the_same() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    let mut times = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let mut subscriber = app.subscriber("general").await;
        subscriber.next_list().await;
        let retry = subscriber.retry.expect("it comes before the list");
        assert!((1_000..5_000).contains(&retry));
        times.insert(retry);
    }
    assert!(times.len() > 5, "{times:?}");
}

#[tokio::test]
async fn an_unknown_room_is_an_empty_list_until_somebody_comes() {
    let app = TestApp::start().await;
    let mut subscriber = app.subscriber("general").await;
    let first = subscriber.next().await.unwrap();
    assert_eq!((first.version(), first.data.as_str()), (0, "[]"));
    app.webhook(joined("alice")).await;
    assert_eq!(subscriber.next_list().await, ["alice"]);
}

#[tokio::test]
async fn a_list_that_the_client_has_is_not_repeated() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let version = app.subscriber("general").await.next().await.unwrap().version();
    let mut subscriber =
        app.subscriber_with("general", &[("Last-Event-ID", &version.to_string())]).await;
    let alive = subscriber.next_of_any_kind().await.unwrap();
    assert_eq!(alive.name, "heartbeat", "nothing new, but a sign that the stream is open");
    app.webhook(joined("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn any_other_last_event_id_gets_the_list() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    for id in [
        "0",
        "1",
        "99999999999999999",
        "18446744073709551615",
        "-1",
        "x",
        "",
        "184467440737095516160",
    ] {
        let mut subscriber = app.subscriber_with("general", &[("Last-Event-ID", id)]).await;
        assert_eq!(subscriber.next_list().await, ["alice"], "{id}");
    }
}

#[tokio::test]
async fn a_script_says_in_the_query_what_it_has() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let old = app.subscriber("general").await.next().await.unwrap().version().to_string();
    app.webhook(joined("bob")).await;
    let newest = app.subscriber("general").await.next().await.unwrap().version().to_string();
    // The id in the query, the id in the header, and whether the list is repeated.
    let cases = [
        (newest.as_str(), None, false),
        (&old, None, true),
        ("x", None, true),
        ("", None, true),
        ("%FF", None, true),
        (&old, Some(newest.as_str()), false),
        (&newest, Some(old.as_str()), true),
        (&newest, Some("x"), true),
    ];
    for (in_query, in_header, is_repeated) in cases {
        let target = format!("general&last_event_id={in_query}");
        let headers: Vec<_> = in_header.iter().map(|id| ("Last-Event-ID", *id)).collect();
        let mut subscriber = app.subscriber_with(&target, &headers).await;
        let first = subscriber.next_of_any_kind().await.unwrap();
        let expected = if is_repeated { "participants:update" } else { "heartbeat" };
        assert_eq!(first.name, expected, "{in_query} in the query, {in_header:?} in the header");
    }
}

#[tokio::test]
async fn heartbeats_come_as_comment_and_as_event() {
    let app = TestApp::with(&[("LKP__STREAM__HEARTBEAT", "100ms")]).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    for _ in 0..3 {
        let beat = subscriber.next_of_any_kind().await.unwrap();
        assert_eq!(beat.name, "heartbeat");
        assert_eq!(beat.comment.as_deref(), Some("heartbeat"));
        assert!(beat.json()["t"].as_u64().unwrap() > 1_700_000_000_000);
        assert_eq!(beat.json()["every"], 100, "so that a script knows when too long nothing came");
    }
}

#[tokio::test]
async fn no_change_is_missed_between_the_list_and_what_follows() {
    let app = TestApp::with(&[
        ("LKP__STREAM__COALESCE", "0ms"),
        ("LKP__LIMITS__STREAMS_PER_IDENTITY", "0"),
        // They read one after the other, which takes a busy machine long.
        ("LKP__STREAM__WRITE_TIMEOUT", "10m"),
    ])
    .await;
    let names: Vec<_> = (0..300).map(|number| format!("user-{number:03}")).collect();
    let posting = app.webhooks(names.iter().map(|name| joined(name)));
    let expected: Vec<&str> = names.iter().map(String::as_str).collect();
    // Clients come while the room fills. Each sees a list, and then all changes up to the last.
    let reading = async {
        let mut subscribers = Vec::new();
        for _ in 0..40 {
            subscribers.push(app.subscriber("general").await);
        }
        for subscriber in &mut subscribers {
            let mut version = 0;
            let mut count = 0;
            while count < expected.len() {
                let event = subscriber.next().await.unwrap();
                let list = crate::harness::identities(&event.json());
                assert!(event.version() > version, "versions rise");
                assert_eq!(list, expected[..list.len()], "no hole");
                assert!(list.len() > count || count == 0);
                (version, count) = (event.version(), list.len());
            }
        }
    };
    tokio::join!(posting, reading);
    assert_eq!(app.metric("heartbeat_repairs_total").await, 0.0);
}

#[tokio::test]
async fn changes_in_quick_succession_go_out_together_and_the_last_state_always_does() {
    let app = TestApp::with(&[("LKP__STREAM__COALESCE", "3s")]).await;
    let mut subscriber = app.subscriber("general").await;
    subscriber.next_list().await;
    app.webhook(joined("alice")).await;
    assert_eq!(subscriber.next_list().await, ["alice"], "the first change goes out at once");
    app.webhooks([joined("bob"), joined("carol"), left("bob"), published("carol", "TR_1")]).await;
    let together = subscriber.next().await.unwrap().json();
    assert_eq!(together[1]["identity"], "carol");
    assert_eq!(together[1]["isPublisher"], true);
    assert_eq!(app.metric("snapshots_total").await, 2.0);
}

#[tokio::test]
async fn streams_switched_off_are_204() {
    let app = TestApp::with(&[("LKP__STREAM__ENABLED", "false")]).await;
    for target in ["/api/livekit/participants/stream?room=a", "/api/livekit/rooms/stream?room=a"] {
        let response = app.get_as_operator(target).await;
        assert_eq!((response.status, response.text()), (204, ""));
    }
}

#[tokio::test]
async fn head_of_a_stream_is_answered_and_opens_none() {
    let app = TestApp::start().await;
    let bearer = format!("Bearer {}", app.list_token());
    for target in ["/api/livekit/participants/stream?room=a", "/api/livekit/rooms/stream?room=a"] {
        let response = app.ask("HEAD", target, &[("Authorization", &bearer)]).await;
        assert_eq!(response.status, 200);
        assert_eq!(response.header("content-type"), "text/event-stream; charset=utf-8");
        assert_eq!(response.head.get("content-length"), None);
    }
    assert_eq!(app.metric("streams_opened_total").await, 0.0);
}

#[tokio::test]
async fn an_http_1_0_client_gets_the_stream_without_chunks() {
    let app = TestApp::start().await;
    app.webhook(joined("alice")).await;
    let mut connection = app.connect().await;
    let request = format!(
        "GET /api/livekit/participants/stream?room=general HTTP/1.0\r\nAuthorization: Bearer {}\r\n\r\n",
        app.list_token()
    );
    connection.send(request.as_bytes()).await;
    let mut subscriber = Subscriber::of(connection).await;
    assert_eq!(subscriber.head.get("transfer-encoding"), None);
    assert_eq!(subscriber.next_list().await, ["alice"]);
    app.webhook(joined("bob")).await;
    assert_eq!(subscriber.next_list().await, ["alice", "bob"]);
}

#[tokio::test]
async fn answers_to_earlier_requests_on_the_connection_come_first_and_whole() {
    let app = TestApp::start().await;
    app.webhook(joined("alice").metadata(&"x".repeat(3_000_000))).await;
    let bearer = format!("Bearer {}", app.list_token());
    let headers = [("Authorization", bearer.as_str())];
    let mut connection = Connection::with_receive_buffer(app.address, Some(4096)).await;
    // All three are sent at once, and nothing is read before.
    connection.request("GET", "/api/livekit/participants?room=general", &headers).await;
    connection.request("GET", "/healthz", &headers).await;
    connection.request("GET", "/api/livekit/participants/stream?room=quiet", &headers).await;
    let list = connection.response().await;
    assert_eq!(list.json()[0]["metadata"].as_str().unwrap().len(), 3_000_000);
    assert_eq!(connection.response().await.text(), "ok\n");
    let mut subscriber = Subscriber::of(connection).await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
}

#[tokio::test]
async fn when_the_store_fails_a_new_stream_is_503_and_the_next_one_tries_anew() {
    let app = TestApp::start().await;
    app.store.set_fault(StoreFault::Fails);
    let target = "/api/livekit/participants/stream?room=general";
    app.get_as_operator(target).await.problem(503);
    app.store.set_fault(StoreFault::None);
    assert_eq!(app.subscriber("general").await.next_list().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_room_cools_down_after_its_last_client_and_comes_back_for_the_next() {
    let app = TestApp::start().await;
    let subscriber = app.subscriber("general").await;
    // The room is stale, since nobody knows whether its list is everybody.
    let hot = "rooms_hot{state=\"stale\"}";
    assert_eq!(app.metric(hot).await, 1.0);
    drop(subscriber);
    eventually("the room to cool down", async || app.metric(hot).await == 0.0).await;
    app.webhook(joined("alice")).await;
    assert_eq!(app.subscriber("general").await.next_list().await, ["alice"]);
}

#[tokio::test]
async fn a_client_that_goes_away_is_noticed_at_once() {
    let app = TestApp::start().await;
    let subscriber = app.subscriber("general").await;
    assert_eq!(app.metric("streams_open").await, 1.0);
    drop(subscriber);
    // The service needs neither a heartbeat, which comes every hour here, nor a change to find out.
    let closed = "streams_closed_total{reason=\"client\"}";
    let gone = eventually("the stream to be closed", async || app.metric(closed).await == 1.0);
    tokio::time::timeout(Duration::from_secs(2), gone).await.unwrap();
    assert_eq!(app.metric("streams_open").await, 0.0);
}
