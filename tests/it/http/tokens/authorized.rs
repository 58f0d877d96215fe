//! The app is asked who somebody is.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{AppReply, AppServer, AppSigner, HttpProxy, Response, TestApp, eventually};

use super::{APP_KEYS, APP_SECRET, URL, claims, in_secs, post};

const BODY: &str = r#"{"room":"general","name":"Alice"}"#;
const OURS: (&str, &str) = ("Origin", "http://presence.test");
const COOKIE: (&str, &str) = ("Cookie", "session=abc; theme=dark");

async fn service(app: &AppServer, settings: &[(&str, &str)]) -> TestApp {
    let own = [("LKP__TOKENS__AUTHORIZE_URL", &*app.url()), ("LKP__TOKENS__URL", URL)];
    TestApp::with(&[&own, settings].concat()).await
}

/// Asks as a page of ours does.
async fn ask(service: &TestApp) -> Response {
    post(service, &[OURS, COOKIE], BODY).await
}

#[tokio::test]
async fn the_app_gets_the_cookies_and_the_body_and_nothing_else() {
    let app = AppServer::start(AppReply::Json(200, json!({"identity": "a/b 🚪"}))).await;
    let service = service(&app, &[]).await;
    let answer = post(
        &service,
        &[
            OURS,
            COOKIE,
            ("Authorization", "Bearer opaque"),
            ("X-Forwarded-For", "10.0.0.1"),
            ("X-Admin", "1"),
        ],
        " { \"room\" : \"general\" , \"name\" : \"Alice\" } ",
    )
    .await;
    let claims = claims(&answer);
    assert_eq!((&claims["sub"], &claims["name"]), (&json!("a/b 🚪"), &json!("Alice")));
    assert_eq!(claims["video"]["canPublish"], false);
    let asked = app.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].head.starts_with("POST /who HTTP/1.1\r\n"), "{}", asked[0].head);
    assert_eq!(asked[0].body, BODY);
    assert_eq!(asked[0].values("cookie"), ["session=abc; theme=dark"]);
    assert_eq!(asked[0].values("authorization"), ["Bearer opaque"]);
    assert_eq!(asked[0].values("content-type"), ["application/json"]);
    for name in ["x-forwarded-for", "x-admin", "origin"] {
        assert!(asked[0].values(name).is_empty(), "{name}");
    }
}

#[tokio::test]
async fn the_app_says_their_name_and_what_they_may() {
    let reply = json!({
        "identity": "alice", "name": "Alice A.", "metadata": "seat 7", "grants": ["publish", "subscribe", "admin"],
    });
    let app = AppServer::start(AppReply::Json(200, reply)).await;
    let claims = claims(&ask(&service(&app, &[]).await).await);
    assert_eq!((&claims["name"], &claims["metadata"]), (&json!("Alice A."), &json!("seat 7")));
    let video = &claims["video"];
    assert_eq!((&video["canPublish"], &video["roomAdmin"]), (&json!(true), &json!(true)));
    assert_eq!(video.get("canPublishSources"), None, "everything");
    assert_eq!((&video["canPublishData"], &video["room"]), (&json!(false), &json!("general")));
}

#[tokio::test]
async fn the_apps_refusal_is_passed_on() {
    let app = AppServer::start(AppReply::Hangs).await;
    let service = service(&app, &[]).await;
    let said = json!({"detail": "sign in first"});
    let cases = [
        (AppReply::Json(401, said.clone()), 401, "the app does not know who asks: sign in first"),
        (AppReply::Json(403, said.clone()), 403, "the app refuses: sign in first"),
        (
            AppReply::Json(404, json!({"message": "no such room"})),
            403,
            "the app refuses: no such room",
        ),
        (
            AppReply::Text(403, "set-cookie: session=evil\r\n", "<script>".into()),
            403,
            "the app refuses",
        ),
        (
            AppReply::Text(429, "retry-after: 7\r\n", String::new()),
            429,
            "the app is asked too often",
        ),
    ];
    for (reply, status, sentence) in cases {
        app.replies(reply);
        let answer = ask(&service).await;
        assert_eq!(answer.problem(status), sentence);
        assert_eq!(answer.head.get("set-cookie"), None);
        if status == 429 {
            assert_eq!(answer.header("retry-after"), "7");
        }
    }
    assert_eq!(service.metric("app_authorizations_total{outcome=\"refused\"}").await, 5.0);
}

/// Checks what an app's answer gets somebody, and that it is told no more than that.
async fn gets(service: &TestApp, app: &AppServer, reply: AppReply, status: u16) {
    let shown = format!("{reply:?}").chars().take(100).collect::<String>();
    app.replies(reply);
    let answer = ask(service).await;
    let sentence = match status {
        503 => "the app cannot be asked who you are at the moment; ask again",
        _ => "the app did not say who you are; tell its operator",
    };
    assert_eq!(answer.problem(status), sentence, "{shown}");
    assert_eq!(answer.head.get("retry-after"), (status == 503).then_some("2"), "{shown}");
}

#[tokio::test]
async fn an_app_that_answers_something_else_lets_nobody_in() {
    let text = |status, body: &str| AppReply::Text(status, "", body.to_owned());
    let alice = json!({"identity": "alice"}).to_string();
    let cases = [
        (AppReply::Hangs, 503),
        (AppReply::Endless, 502),
        (AppReply::Json(200, json!({"identity": "alice", "metadata": "x".repeat(1 << 20)})), 502),
        (text(200, "<html>"), 502),
        (text(200, ""), 502),
        (AppReply::Json(200, json!(["alice"])), 502),
        (AppReply::Json(200, json!({"identity": ""})), 502),
        (AppReply::Json(200, json!({"user": "alice"})), 502),
        (AppReply::Json(200, json!({"identity": "alice", "grants": ["everything"]})), 502),
        (text(204, ""), 502),
        (text(500, &alice), 502),
    ];
    let app = AppServer::start(AppReply::Hangs).await;
    let service = service(&app, &[("LKP__TOKENS__TIMEOUT", "300ms")]).await;
    for (reply, status) in cases {
        gets(&service, &app, reply, status).await;
    }
    app.replies(text(200, &alice));
    assert_eq!(ask(&service).await.status, 200, "it is asked again");
}

#[tokio::test]
async fn an_app_that_sends_elsewhere_is_not_followed() {
    let alice = json!({"identity": "alice"}).to_string();
    let inside = AppServer::start(AppReply::Text(200, "", alice.clone())).await;
    let location = format!("location: {}\r\n", inside.url()).leak();
    let app = AppServer::start(AppReply::Hangs).await;
    let service = service(&app, &[]).await;
    for status in [301, 302, 303, 307, 308] {
        gets(&service, &app, AppReply::Text(status, location, alice.clone()), 502).await;
    }
    assert!(inside.asked().is_empty());
}

#[tokio::test]
async fn an_app_that_hangs_is_not_asked_by_everybody_at_once() {
    let app = AppServer::start(AppReply::Hangs).await;
    let service =
        service(&app, &[("LKP__TOKENS__PER_MINUTE", "0"), ("LKP__TOKENS__TIMEOUT", "3s")]).await;
    let waiting = join_all((0..64).map(|_| ask(&service)));
    let one_more = async {
        eventually("64 to wait", async || app.asked().len() == 64).await;
        let busy = ask(&service).await;
        assert_eq!(busy.problem(503), "too many ask the app at the moment; ask again");
        app.replies(AppReply::Json(200, json!({"identity": "alice"})));
    };
    let (answers, ()) = tokio::join!(waiting, one_more);
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(app.asked().len(), 64);
    assert_eq!(ask(&service).await.status, 200);
}

#[tokio::test]
async fn cookies_count_only_from_pages_of_ours() {
    let app = AppServer::start(AppReply::Json(200, json!({"identity": "alice"}))).await;
    let service = service(&app, &[("LKP__HTTP__CORS_ORIGINS", "https://app.example.com")]).await;
    let others: [&[(&str, &str)]; 5] = [
        &[COOKIE, ("Origin", "https://evil.example.com")],
        &[COOKIE, ("Origin", "null")],
        &[COOKIE, ("Origin", "https://app.example.com.evil.example")],
        &[COOKIE, ("Sec-Fetch-Site", "cross-site")],
        &[COOKIE, ("Sec-Fetch-Site", "same-site")],
    ];
    for headers in others {
        let problem = post(&service, headers, BODY).await.problem(403);
        assert!(problem.starts_with("a cookie is taken only from pages of"), "{headers:?}");
    }
    assert!(app.asked().is_empty(), "the app never sees them");
    let ours: [&[(&str, &str)]; 4] = [
        &[COOKIE, OURS],
        &[COOKIE, ("Origin", "https://app.example.com")],
        &[COOKIE, ("Sec-Fetch-Site", "same-origin")],
        &[COOKIE],
    ];
    for headers in ours {
        assert_eq!(post(&service, headers, BODY).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn a_token_of_the_app_saves_the_question() {
    let app = AppServer::start(AppReply::Json(200, json!({"identity": "by-cookie"}))).await;
    let service = service(&app, &[("LKP__TOKENS__KEYS", APP_KEYS)]).await;
    let signer = AppSigner::secret(APP_SECRET);
    let token = signer.sign(None, &json!({"sub": "by-token", "exp": in_secs(60)}));
    let bearer = format!("Bearer {token}");
    let by_token = post(&service, &[OURS, COOKIE, ("Authorization", &bearer)], BODY).await;
    assert_eq!(claims(&by_token)["sub"], "by-token");
    assert!(app.asked().is_empty());
    let wrong = post(&service, &[OURS, COOKIE, ("Authorization", "Bearer wrong")], BODY).await;
    assert_eq!(wrong.status, 401);
    assert!(app.asked().is_empty(), "a wrong token is not replaced by a cookie");
    assert_eq!(claims(&ask(&service).await)["sub"], "by-cookie");
}

#[tokio::test]
async fn the_app_is_asked_through_the_proxy_that_the_environment_names() {
    let app = AppServer::start(AppReply::Json(200, json!({"identity": "alice"}))).await;
    let proxy = HttpProxy::start(app.address.port(), None).await;
    let service = TestApp::with(&[
        ("LKP__TOKENS__AUTHORIZE_URL", "http://app.invalid/who?from=presence"),
        ("LKP__TOKENS__URL", URL),
        ("HTTP_PROXY", &format!("http://127.0.0.1:{}", proxy.port)),
    ])
    .await;
    assert_eq!(claims(&ask(&service).await)["sub"], "alice");
    assert_eq!(proxy.asked(), ["POST http://app.invalid/who?from=presence HTTP/1.1"]);
}
