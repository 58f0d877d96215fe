//! What is logged, and what never is.

use livekit_presence::{
    clock::Clock,
    livekit::{AccessToken, ApiKey, Keys, VideoGrant},
};

use crate::harness::{Connection, Process, joined, webhook_request};

#[tokio::test]
async fn tokens_metadata_and_bodies_never_reach_the_log() {
    let app = Process::start(&[("LKP__LOG__LEVEL", "trace"), ("LKP__AUTH__MODE", "livekit")]).await;
    let keys = "APIprocess: secret-of-the-process-0123456789abcdef";
    let keys = Keys::new(&ApiKey::parse_lines(keys).unwrap());
    let grant = VideoGrant { room_list: true, ..VideoGrant::default() };
    let exp = Clock::system().now().as_secs() + 60;
    let token = AccessToken::sign("alice", grant, exp, &keys).unwrap();
    for target in ["participants?room=general", "participants/stream?room=general", "rooms?x=1"] {
        let mut connection = Connection::open(app.address).await;
        let target = format!("/api/livekit/{target}&access_token={token}");
        connection.request("GET", &target, &[]).await;
        connection.head().await;
        let mut connection = Connection::open(app.address).await;
        let bearer = format!("Bearer {token}x");
        connection.request("GET", &target, &[("Authorization", &bearer)]).await;
        assert_eq!(connection.response().await.status, 401);
    }
    app.webhooks([joined("alice").metadata("private-metadata")]).await;
    let mut connection = Connection::open(app.address).await;
    connection
        .send(&webhook_request(
            "/api/livekit/webhook",
            &[("Authorization", &token)],
            b"private-body",
        ))
        .await;
    connection.response().await.problem(401);
    let log = app.log();
    assert!(log.contains("received a webhook") && log.contains("/api/livekit/participants/stream"));
    let signature = token.rsplit('.').next().unwrap();
    for private in [signature, "private-metadata", "private-body", "access_token", "secret-of"] {
        assert!(!log.contains(private), "{private} is in the log:\n{log}");
    }
}

#[tokio::test]
async fn a_weak_secret_is_taken_with_a_warning() {
    let app = Process::start(&[("LIVEKIT_KEYS", "devkey: secret")]).await;
    let log = app.log();
    assert!(
        log.contains("\"level\":\"WARN\"") && log.contains("fewer than 32 characters"),
        "{log}"
    );
    assert!(log.contains("devkey"), "{log}");
}
