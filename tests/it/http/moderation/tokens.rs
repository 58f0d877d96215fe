//! Who may moderate: every token against every route, as a table.

use livekit_presence::livekit::{AccessToken, ApiKey, Keys};

use super::*;

const ORIGIN: &str = "https://app.example.com";
const PAGES: &str = "pages: secret-of-the-pages-0123456789abcdef0123";
const STRANGERS: &str = "APItest: secret-of-somebody-else-0123456789ab";

/// Every route that moderates.
fn routes() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("PATCH", ALICE, json!({"name": "Alice B."})),
        ("DELETE", ALICE, Value::Null),
        ("PATCH", MICROPHONE, json!({"muted": true})),
        ("POST", "/api/livekit/rooms/general/mute-all", json!({})),
        ("DELETE", ROOM, Value::Null),
    ]
}

async fn moderated(mode: &str) -> Moderated {
    let settings = [
        ("LKP__AUTH__MODE", mode),
        ("LKP__AUTH__KEYS", PAGES),
        ("LKP__AUTH__COOKIE", "session"),
        ("LKP__HTTP__CORS_ORIGINS", ORIGIN),
    ];
    Moderated::with(&settings, &[speaker("alice"), speaker("bob")]).await
}

/// An admin of the room, in a token that nobody has signed.
const UNSIGNED: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJpc3MiOiJBUEl0ZXN0IiwiZXhwIjo5OTk5OTk5OTk5LCJ2aWRlbyI6eyJyb29tIjoiZ2VuZXJhbCIsInJvb21BZG1pbiI6dHJ1ZX19.";

/// Every kind of token that moderates nothing in the room, and the status of the refusal.
fn tokens_that_do_not(now: u64) -> Vec<(&'static str, Option<String>, u16)> {
    let signed = |keys: &str, video: VideoGrant, exp: u64| {
        let keys = Keys::new(&ApiKey::parse_lines(keys).unwrap());
        Some(AccessToken::sign("maria", video, exp, &keys).unwrap())
    };
    let by_livekit = |video: VideoGrant| signed(KEYS, video, now + 60);
    let joins = VideoGrant { room: "general".to_owned(), room_join: true, ..VideoGrant::default() };
    let lists = VideoGrant { room_list: true, ..VideoGrant::default() };
    let makes = VideoGrant { room_create: true, ..VideoGrant::default() };
    vec![
        ("none", None, 401),
        ("garbage", Some("x.y.z".to_owned()), 401),
        ("not signed at all", Some(UNSIGNED.to_owned()), 401),
        ("of a stranger's key", signed(STRANGERS, admin_of("general"), now + 60), 401),
        ("expired", signed(KEYS, admin_of("general"), now - 120), 401),
        ("a viewer's", by_livekit(joins), 403),
        ("another room's admin", by_livekit(admin_of("other")), 403),
        ("an admin of a room that begins alike", by_livekit(admin_of("general2")), 403),
        ("an admin without a room", by_livekit(admin_of("")), 403),
        ("one that lists rooms", by_livekit(lists), 403),
        ("one that makes rooms", by_livekit(makes), 403),
        ("of a key for pages", signed(PAGES, admin_of("general"), now + 60), 403),
    ]
}

#[tokio::test]
async fn only_an_admin_of_this_room_by_a_key_of_livekits_moderates_it() {
    for mode in ["livekit", "open"] {
        let with = moderated(mode).await;
        let tokens = tokens_that_do_not(with.app.clock.clock().now().as_secs());
        for (method, target, body) in routes() {
            for (what, token, status) in &tokens {
                let bearer = token.as_ref().map(|token| format!("Bearer {token}"));
                let headers: Vec<_> =
                    bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
                let answer = with.ask_with(method, target, &headers, &body).await;
                assert_eq!(answer.status, *status, "{mode}: {method} {target}: {what}");
                answer.problem(*status);
            }
        }
        assert_eq!(with.livekit.acts(), 0, "nothing was done");
    }
}

#[tokio::test]
async fn the_admin_of_the_room_may_do_everything_in_it() {
    for mode in ["livekit", "open"] {
        let with = moderated(mode).await;
        for (number, (method, target, body)) in routes().into_iter().enumerate() {
            let people = [
                speaker("alice").sid(&format!("PA_{number}")),
                speaker("bob").sid(&format!("PB_{number}")),
            ];
            with.livekit.list("general", &people);
            with.app.webhooks(people).await;
            let answer = with.ask(method, target, &body).await;
            assert!(matches!(answer.status, 200 | 204), "{mode}: {method} {target}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_cookie_moderates_only_where_a_page_of_ours_says_that_it_asks() {
    let with = moderated("livekit").await;
    let cookie = format!("session={}", with.app.token_with(admin_of("general"), "maria", 60));
    let own = "http://presence.test";
    let cases: [(&[(&str, &str)], bool); 6] = [
        (&[], false),
        (&[("Sec-Fetch-Site", "same-origin")], false),
        (&[("Origin", "https://evil.example.com")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", ORIGIN)], true),
        (&[("Origin", own)], true),
    ];
    for (headers, may) in cases {
        for (method, target, body) in routes() {
            let people = [speaker("alice"), speaker("bob")];
            with.livekit.list("general", &people);
            let before = with.livekit.acts();
            let mut all = vec![("Cookie", cookie.as_str())];
            all.extend(headers);
            let answer = with.ask_with(method, target, &all, &body).await;
            if may {
                assert_ne!(answer.status, 403, "{method} {target} {headers:?}: {answer:?}");
            } else {
                answer.problem(403);
                assert_eq!(with.livekit.acts(), before, "{method} {target} {headers:?}");
            }
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_ask_and_read_the_refusal() {
    let with = moderated("livekit").await;
    for (method, target, body) in routes() {
        let asks = [
            ("Origin", ORIGIN),
            ("Access-Control-Request-Method", method),
            ("Access-Control-Request-Headers", "authorization,content-type,if-match"),
        ];
        let preflight = with.app.ask("OPTIONS", target, &asks).await;
        assert_eq!(preflight.header("access-control-allow-origin"), ORIGIN, "{target}");
        assert!(preflight.header("access-control-allow-methods").contains(method), "{target}");
        assert!(preflight.header("access-control-allow-headers").contains("if-match"));
        let refused = with.ask_with(method, target, &[("Origin", ORIGIN)], &body).await;
        assert_eq!(refused.header("access-control-allow-origin"), ORIGIN);
        refused.problem(401);
    }
}
