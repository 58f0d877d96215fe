//! `POST /api/livekit/webhook`.

use std::time::{Duration, Instant};

use livekit_presence::{
    livekit::{AccessToken, VideoGrant},
    presence::HostTime,
};

use crate::harness::{
    Connection, Process, StoreFault, TestApp, eventually, joined, left, published, webhook_request,
};

#[tokio::test]
async fn a_signed_webhook_is_answered_200_on_both_paths_and_seen_by_subscribers() {
    let app = TestApp::start().await;
    for (path, identity) in [("/api/livekit/webhook", "alice"), ("/api/webhooks/livekit", "bob")] {
        let body = joined(identity).bytes();
        let token = app.sign(&body);
        let response = app.send(&webhook_request(path, &[("Authorization", &token)], &body)).await;
        assert_eq!((response.status, response.text()), (200, ""));
    }
    let list = app.participants("general").await.json();
    assert_eq!(list[0]["identity"], "alice");
    assert_eq!(list[1]["identity"], "bob");
    assert!(
        !list.to_string().contains("never-shown"),
        "what is the server's own is kept from clients"
    );
}

// LiveKit does not repeat after a 404: a webhook to an address with an extra slash would be lost without a word.
#[tokio::test]
async fn extra_slashes_lose_no_webhook() {
    let app = TestApp::start().await;
    let paths = [
        "/api/livekit/webhook/",
        "//api/livekit/webhook",
        "/api/webhooks/livekit/",
        "//api//webhooks///livekit//",
        "/api/livekit/webhook//?from=livekit",
    ];
    for (number, path) in paths.into_iter().enumerate() {
        let body = joined(&format!("user-{number}")).bytes();
        let token = app.sign(&body);
        let response = app.send(&webhook_request(path, &[("Authorization", &token)], &body)).await;
        assert_eq!((response.status, response.text()), (200, ""), "{path}");
        let unsigned = app.send(&webhook_request(path, &[], &body)).await;
        assert!(unsigned.problem(401).contains("token in `Authorization`"), "{path}");
    }
    let list = app.participants("general").await.json();
    assert_eq!(list.as_array().unwrap().len(), paths.len());
}

const WRONG_PATHS: [&str; 9] = [
    "/",
    "/webhook",
    "/api/livekit",
    "/api/livekit/webhooks",
    "/api/livekit/webhook/more",
    "/api/livekit/participants?room=general",
    "/api/livekit/rooms/stream",
    "/healthz",
    "/metrics",
];

#[tokio::test]
async fn a_signed_webhook_at_another_path_is_counted_and_told_where_to_go() {
    let app = TestApp::start().await;
    for path in WRONG_PATHS {
        let body = joined("alice").bytes();
        let token = app.sign(&body);
        let response = app.send(&webhook_request(path, &[("Authorization", &token)], &body)).await;
        let detail = response.problem(404);
        assert!(detail.contains("/api/livekit/webhook"), "{path}: {detail}");
    }
    let counted = "webhooks_total{event=\"participant_joined\",outcome=\"misdirected\"}";
    assert_eq!(app.metric(counted).await, WRONG_PATHS.len() as f64);
    assert_eq!(app.participants("general").await.text(), "[]");
}

#[tokio::test]
async fn a_signed_webhook_at_another_path_is_logged_with_the_right_one() {
    let app = Process::start(&[]).await;
    for _ in 0..20 {
        let request = app.webhook_request(&joined("alice").bytes());
        let request = String::from_utf8(request).unwrap();
        let request = request.replace(" /api/livekit/webhook ", " /livekit/hook ");
        let mut connection = Connection::open(app.address).await;
        connection.send(request.as_bytes()).await;
        connection.response().await.problem(404);
    }
    eventually("a line", async || app.log().contains("/livekit/hook")).await;
    let log = app.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/livekit/hook")).collect();
    assert!(lines[0].contains("\"level\":\"WARN\""), "{}", lines[0]);
    assert!(lines[0].contains("/api/livekit/webhook"), "{}", lines[0]);
    // Logged once a minute: one line for each refused webhook, even within the limit of one address, would fill a disk.
    assert_eq!(lines.len(), 1, "a line each would fill a disk");
}

#[tokio::test]
async fn an_unsigned_request_learns_nothing_and_its_body_is_not_read() {
    let app = TestApp::start().await;
    let body = joined("alice").bytes();
    let now = app.clock.clock().now().as_secs();
    let client = AccessToken::sign("alice", VideoGrant::default(), now + 60, app.keys()).unwrap();
    let cases = ["not-a-jwt", &client, &app.sign(b"another body")];
    for token in cases {
        for (path, status) in [("/webhook", 404), ("/healthz", 405)] {
            let headers = [("Authorization", token)];
            let response = app.send(&webhook_request(path, &headers, &body)).await;
            let detail = response.problem(status);
            assert!(!detail.contains("webhook"), "{path}: {detail}");
        }
    }
    let headers =
        [("Authorization", "not-a-jwt"), ("Content-Length", "1000"), ("Expect", "100-continue")];
    app.ask("POST", "/webhook", &headers).await.problem(404);
    let metrics = app.get("/metrics", &[]).await;
    assert!(!metrics.text().contains("misdirected"));
}

// Go's client follows a redirect of 301 or 302 with a GET that has no body and keeps the header.
#[tokio::test]
async fn a_webhook_that_a_redirect_turned_into_a_get_is_told_so() {
    let app = TestApp::start().await;
    let token = app.sign(&joined("alice").bytes());
    for path in ["/api/livekit/webhook", "/api/livekit/webhook/"] {
        let response = app.ask("GET", path, &[("Authorization", &token)]).await;
        let detail = response.problem(404);
        assert!(detail.contains("redirect"), "{path}: {detail}");
    }
    let counted = "webhooks_total{event=\"unknown\",outcome=\"misdirected\"}";
    assert_eq!(app.metric(counted).await, 2.0);
}

#[tokio::test]
async fn a_bearer_prefix_and_any_configured_key_are_taken() {
    let app = TestApp::start().await;
    let body = joined("alice").bytes();
    let bearer = format!("Bearer {}", app.sign(&body));
    let request = webhook_request("/api/livekit/webhook", &[("Authorization", &bearer)], &body);
    assert_eq!(app.send(&request).await.status, 200);

    let other = TestApp::with_keys(&[], "APIother: another-secret-0123456789abcdef012345").await;
    let body = joined("bob").bytes();
    let token = other.sign(&body);
    let request = webhook_request("/api/livekit/webhook", &[("Authorization", &token)], &body);
    assert_eq!(app.send(&request).await.status, 200, "the token's `iss` chooses the key");
}

#[tokio::test]
async fn a_token_that_does_not_sign_this_body_is_401() {
    let app = TestApp::start().await;
    let body = joined("alice").bytes();
    let foreign =
        TestApp::with_keys(&[], "APIforeign: a-secret-that-nobody-else-knows-012345").await;
    let now = app.clock.clock().now().as_secs();
    let client = AccessToken::sign("alice", VideoGrant::default(), now + 60, app.keys()).unwrap();
    let cases = [
        ("", "token in `Authorization`"),
        ("not-a-jwt", "not a JWT"),
        (&foreign.sign(&body), "not configured here"),
        (&app.sign(b"another body"), "not the one that was signed"),
        (&client, "no body hash"),
    ];
    for (token, expected) in cases {
        let mut headers = vec![("Authorization", token)];
        headers.retain(|(_, token)| !token.is_empty());
        let request = webhook_request("/api/livekit/webhook", &headers, &body);
        let response = app.send(&request).await;
        assert!(response.problem(401).contains(expected), "{}", response.text());
        assert_eq!(response.header("www-authenticate"), "Bearer realm=\"livekit-presence\"");
    }
    assert_eq!(app.participants("general").await.text(), "[]");
}

#[tokio::test]
async fn a_token_is_verified_before_a_byte_of_the_body_is_read() {
    let app = TestApp::start().await;
    let headers =
        [("Authorization", "not-a-jwt"), ("Content-Length", "1000"), ("Expect", "100-continue")];
    let response = app.ask("POST", "/api/livekit/webhook", &headers).await;
    response.problem(401);
}

#[tokio::test]
async fn an_expired_token_is_401_and_a_minute_of_difference_between_clocks_is_not() {
    let app = TestApp::start().await;
    let start = HostTime::from_millis(1_800_000_000_000);
    app.clock.set(start);
    let body = joined("alice").bytes();
    let request = app.webhook_request(&body);
    app.clock.set(start + Duration::from_secs(361));
    assert!(app.send(&request).await.problem(401).contains("expired"));
    app.clock.set(start + Duration::from_mins(6));
    assert_eq!(app.send(&request).await.status, 200);
    let body = joined("bob").bytes();
    let request = app.webhook_request(&body);
    app.clock.set(start + Duration::from_secs(299));
    assert!(app.send(&request).await.problem(401).contains("not valid yet"));
}

#[tokio::test]
async fn a_malformed_webhook_is_400_and_the_answer_says_what_is_missing() {
    let app = TestApp::start().await;
    let mut no_sid = joined("alice");
    no_sid.0["participant"]["sid"] = "".into();
    let cases = [
        (b"".to_vec(), "not a JSON object"),
        (b"[]".to_vec(), "not a JSON object"),
        (b"{\"event\":".to_vec(), "not the expected JSON"),
        (b"{\"event\":\"\xff\"}".to_vec(), "not the expected JSON"),
        (no_sid.bytes(), "no `participant.sid`"),
        (joined("alice").room("two\nlines").bytes(), "control character"),
    ];
    for (body, expected) in cases {
        let response = app.send(&app.webhook_request(&body)).await;
        let detail = response.problem(400);
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn events_that_this_version_does_not_know_are_taken_and_ignored() {
    let app = TestApp::start().await;
    for body in [
        r"{}",
        r#"{"event":"moon_landed","room":{"name":"general"},"new":{"x":[1,2]}}"#,
        r#"{"event":"egress_started","id":"EV_e","egressInfo":{"egressId":"EG_1"}}"#,
    ] {
        assert_eq!(app.send(&app.webhook_request(body.as_bytes())).await.status, 200, "{body}");
    }
    assert_eq!(app.metric("webhooks_total{event=\"other\",outcome=\"ignored\"}").await, 2.0);
    assert_eq!(
        app.metric("webhooks_total{event=\"egress_started\",outcome=\"ignored\"}").await,
        1.0
    );
}

#[tokio::test]
async fn a_repeated_webhook_changes_nothing_and_is_counted() {
    let app = TestApp::start().await;
    let first = joined("alice");
    app.webhook(first.clone()).await;
    app.webhook(left("alice")).await;
    let version = app.participants("general").await.header("etag").to_owned();
    app.webhook(first).await;
    assert_eq!(app.participants("general").await.header("etag"), version);
    let duplicates =
        app.metric("webhooks_total{event=\"participant_joined\",outcome=\"duplicate\"}");
    assert_eq!(duplicates.await, 1.0);
}

#[tokio::test]
async fn half_a_mebibyte_of_metadata_arrives_whole() {
    let app = TestApp::start().await;
    let mut subscriber = app.subscriber("general").await;
    assert_eq!(subscriber.next_list().await, Vec::<String>::new());
    // Each character takes six bytes in JSON: the worst that LiveKit's limit of 512 KiB can become.
    let metadata = "\u{1}".repeat(512 * 1024);
    app.webhook(joined("alice").metadata(&metadata)).await;
    let list = subscriber.next().await.unwrap().json();
    assert_eq!(list[0]["metadata"], metadata.as_str());
    let list = app.participants("general").await.json();
    assert_eq!(list[0]["metadata"], metadata.as_str());
}

#[tokio::test]
async fn more_than_four_mebibytes_are_413_and_the_answer_arrives() {
    let app = TestApp::start().await;
    let body = vec![b' '; 4 * 1024 * 1024 + 1];
    let response = app.send(&app.webhook_request(&body)).await;
    assert!(response.problem(413).contains("4194304 bytes"));
    let just_fits = joined("alice").metadata(&"x".repeat(4 * 1024 * 1024 - 400)).bytes();
    assert!(just_fits.len() <= 4 * 1024 * 1024);
    assert_eq!(app.send(&app.webhook_request(&just_fits)).await.status, 200);
}

#[tokio::test]
async fn when_the_store_fails_livekit_is_told_to_send_it_again() {
    let app = TestApp::start().await;
    app.store.set_fault(StoreFault::Fails);
    let webhook = joined("alice");
    let response = app.post(&webhook).await;
    let detail = response.problem(503);
    assert!(detail.contains("send it again"), "{detail}");
    assert!(!detail.contains("told to fail"), "nothing internal is told");
    assert_eq!(response.header("retry-after"), "1");
    app.store.set_fault(StoreFault::None);
    app.webhook(webhook).await;
    assert_eq!(app.participants("general").await.json()[0]["identity"], "alice");
}

#[tokio::test]
async fn when_the_store_hangs_the_answer_comes_within_five_seconds() {
    let app = TestApp::start().await;
    app.store.set_fault(StoreFault::Hangs);
    let asked = Instant::now();
    let response = app.post(&joined("alice")).await;
    response.problem(503);
    assert_eq!(response.header("retry-after"), "1");
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_within_five_seconds() {
    let app = TestApp::start().await;
    let mut request = app.webhook_request(&joined("alice").bytes());
    request.truncate(request.len() - 10);
    let asked = Instant::now();
    app.send(&request).await.problem(503);
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn bodies_share_a_bounded_memory() {
    let app = TestApp::with(&[("LKP__LIMITS__BODY_BYTES", "100000")]).await;
    let large = app.webhook_request(&joined("alice").metadata(&"x".repeat(90_000)).bytes());
    let mut first = app.connect().await;
    first.send(&large[..large.len() - 1]).await;
    // The first body holds most of the memory until its last byte has come.
    let small = joined("bob").metadata(&"x".repeat(20_000));
    eventually("the first body to be counted", async || app.post(&small).await.status == 503).await;
    let refused = app.post(&small).await;
    assert!(refused.problem(503).contains("too many webhooks are being read"));
    first.send(&large[large.len() - 1..]).await;
    assert_eq!(first.response().await.status, 200);
    app.webhook(small).await;
}

#[tokio::test]
async fn many_webhooks_of_one_connection_are_all_answered() {
    let app = TestApp::start().await;
    let names: Vec<_> = (0..50).map(|number| format!("user-{number:02}")).collect();
    app.webhooks(names.iter().map(|name| joined(name))).await;
    app.webhooks(names.iter().map(|name| published(name, &format!("TR_{name}")))).await;
    let list = app.participants("general").await.json();
    assert_eq!(list.as_array().unwrap().len(), 50);
    assert!(list.as_array().unwrap().iter().all(|one| one["isPublisher"] == true));
}
