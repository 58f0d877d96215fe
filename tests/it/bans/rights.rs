//! Who may see, set and lift bans: the moderators of the room, and nobody else, whatever the mode.

use livekit_presence::livekit::VideoGrant;
use serde_json::json;

use crate::harness::TestApp;

use super::{admin_of, ask, token};

const LIVEKIT: &str = "APIlivekit: secret-of-livekit-0123456789abcdef012";
const PAGES: &str = "pages: secret-of-the-pages-0123456789abcdef0123";
const STRANGER: &str = "APIlivekit: another-secret-0123456789abcdef0123456";

const ROUTES: [(&str, &str); 3] = [
    ("GET", "/api/livekit/rooms/general/bans"),
    ("PUT", "/api/livekit/rooms/general/bans/bob"),
    ("DELETE", "/api/livekit/rooms/general/bans/bob"),
];

/// What a request has to say who it is.
enum Shown {
    Nothing,
    Bearer(String),
    Cookie(String, Option<&'static str>),
}

#[tokio::test]
async fn only_a_moderator_of_the_room_bans() {
    for mode in ["livekit", "open"] {
        let settings = [
            ("LKP__AUTH__KEYS", PAGES),
            ("LKP__AUTH__MODE", mode),
            ("LKP__AUTH__COOKIE", "session"),
            ("LKP__HTTP__CORS_ORIGINS", "https://app.example"),
        ];
        let app = TestApp::with_keys(&settings, LIVEKIT).await;
        for (method, target) in ROUTES {
            for (name, shown, expected) in matrix(&app) {
                let place = format!("{mode} {method} {name}");
                let answer = ask_as(&app, method, target, &shown).await;
                let is_of_moderator = expected == 200;
                if is_of_moderator {
                    let status = if method == "DELETE" { 404 } else { 200 };
                    assert_eq!(answer.status, status, "{place}: {}", answer.text());
                    continue;
                }
                answer.problem(expected);
                let moderator = Shown::Bearer(token(LIVEKIT, admin_of("general"), "moderator"));
                let bans = ask_as(&app, ROUTES[0].0, ROUTES[0].1, &moderator).await;
                let count = bans.json()["bans"].as_array().unwrap().len();
                assert_eq!(count, 0, "{place}: nothing is done");
            }
            let moderator = Shown::Bearer(token(LIVEKIT, admin_of("general"), "moderator"));
            ask_as(&app, "DELETE", ROUTES[2].1, &moderator).await;
        }
    }
}

/// Each credential, and the answer to it.
fn matrix(app: &TestApp) -> Vec<(&'static str, Shown, u16)> {
    let video = |grant: fn(&mut VideoGrant)| {
        let mut video = VideoGrant { room: "general".to_owned(), ..VideoGrant::default() };
        grant(&mut video);
        video
    };
    let of = |video| Shown::Bearer(token(LIVEKIT, video, "moderator"));
    let admin = || admin_of("general");
    let expired = Shown::Bearer(app.token_with(admin(), "moderator", -3_600));
    let by_cookie = |origin| Shown::Cookie(token(LIVEKIT, admin(), "moderator"), origin);
    let mut cases = vec![
        ("no token", Shown::Nothing, 401),
        ("garbage", Shown::Bearer("garbage".to_owned()), 401),
        ("expired", expired, 401),
        ("a key that is none of ours", Shown::Bearer(token(STRANGER, admin(), "eve")), 401),
        ("no algorithm", Shown::Bearer(without_algorithm()), 401),
        ("a viewer", of(video(|video| video.room_join = true)), 403),
        ("who lists rooms", of(video(|video| video.room_list = true)), 403),
        ("the admin of another room", of(admin_of("other")), 403),
        ("the admin of no room", of(admin_of("")), 403),
        ("a key for pages", Shown::Bearer(token(PAGES, admin(), "page")), 403),
        ("a cookie without origin", by_cookie(None), 403),
        ("a cookie of another page", by_cookie(Some("https://evil.example")), 403),
    ];
    // Last, because it does something.
    cases.push(("a cookie of our page", by_cookie(Some("https://app.example")), 200));
    cases.push(("a moderator", of(admin()), 200));
    cases.sort_by_key(|(_, _, expected)| *expected == 200);
    cases
}

/// A token of algorithm `none`, with the claims of a moderator.
fn without_algorithm() -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |json: serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(json!({"alg": "none", "typ": "JWT"}));
    let claims = json!({
        "iss": "APIlivekit", "sub": "eve", "exp": 4_900_000_000_u64, "nbf": 0,
        "video": {"room": "general", "roomAdmin": true},
    });
    format!("{head}.{}.", part(claims))
}

async fn ask_as(
    app: &TestApp,
    method: &str,
    target: &str,
    shown: &Shown,
) -> crate::harness::Response {
    let (bearer, cookie);
    let mut headers = Vec::new();
    match shown {
        Shown::Nothing => {}
        Shown::Bearer(token) => {
            bearer = format!("Bearer {token}");
            headers.push(("Authorization", bearer.as_str()));
        }
        Shown::Cookie(token, origin) => {
            cookie = format!("session={token}");
            headers.push(("Cookie", cookie.as_str()));
            headers.extend(origin.map(|origin| ("Origin", origin)));
        }
    }
    ask(app.address, method, target, &headers, "").await
}

#[tokio::test]
async fn a_moderator_who_is_banned_moderates_nothing_and_cannot_lift_the_ban() {
    let app = TestApp::with_keys(&[], LIVEKIT).await;
    let of = |identity: &str| Shown::Bearer(token(LIVEKIT, admin_of("general"), identity));
    let (mallory, maria) = (of("mallory"), of("maria"));
    let target = "/api/livekit/rooms/general/bans/mallory";
    assert_eq!(ask_as(&app, "PUT", target, &maria).await.status, 200);
    for (method, target) in [("DELETE", target), ROUTES[0], ROUTES[1]] {
        let detail = ask_as(&app, method, target, &mallory).await.problem(403);
        assert!(detail.contains("you are banned from this room"), "{method}: {detail}");
    }
    assert_eq!(ask_as(&app, "DELETE", target, &maria).await.status, 204);
    assert_eq!(ask_as(&app, ROUTES[0].0, ROUTES[0].1, &mallory).await.status, 200);
}
