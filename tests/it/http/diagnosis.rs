//! `GET /api/livekit/diagnosis`.

use livekit_presence::livekit::VideoGrant;

use crate::harness::TestApp;

const TARGET: &str = "/api/livekit/diagnosis";

fn admin(room: &str) -> VideoGrant {
    VideoGrant { room: room.to_owned(), room_admin: true, ..VideoGrant::default() }
}

#[tokio::test]
async fn it_shows_an_operator_how_a_request_arrived() {
    let app = TestApp::with(&[("LKP__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let bearer = format!("Bearer {}", app.token_with(admin(""), "operator", 60));
    let headers = [("Authorization", bearer.as_str()), ("X-Forwarded-For", "6.6.6.6, 203.0.113.9")];
    let answer = app.get(TARGET, &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("cache-control"), "no-store");
    let shown = answer.json();
    assert_eq!(shown["client"], "203.0.113.9");
    assert!(shown["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{shown}");
    assert_eq!(shown["peerIsTrusted"], true);
    assert_eq!(shown["forwardedFor"], serde_json::json!(["6.6.6.6, 203.0.113.9"]));
    assert_eq!(shown["httpVersion"], "1.1");
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn it_needs_a_token_of_all_rooms_admin_also_where_anybody_may_read() {
    let app = TestApp::with(&[("LKP__AUTH__MODE", "open")]).await;
    app.get(TARGET, &[]).await.problem(401);
    for grant in [admin("general"), VideoGrant { room_list: true, ..VideoGrant::default() }] {
        let bearer = format!("Bearer {}", app.token_with(grant, "alice", 60));
        let refused = app.get(TARGET, &[("Authorization", &bearer)]).await;
        assert!(refused.problem(403).contains("roomAdmin"));
    }
}

#[tokio::test]
async fn a_key_that_is_for_reading_alone_does_not_open_it() {
    use livekit_presence::livekit::{AccessToken, ApiKey, Keys};
    let reader = "APIreader: another-secret-of-at-least-32-chars";
    let app = TestApp::with(&[("LKP__AUTH__KEYS", reader)]).await;
    let keys = Keys::new(&ApiKey::parse_lines(reader).unwrap());
    let expires_at = livekit_presence::clock::Clock::system().now().as_secs() + 60;
    // The test's clock stands at the time of the captured webhooks, so this token has not expired there either.
    let token = AccessToken::sign("reader", admin(""), expires_at, &keys).unwrap();
    let refused = app.get(TARGET, &[("Authorization", &format!("Bearer {token}"))]).await;
    assert!(refused.problem(403).contains("livekit.keys"));
}
