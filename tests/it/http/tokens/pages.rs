//! Pages of other origins.

use crate::harness::{AppReply, AppServer, Response, TestApp};

use super::{APP_KEYS, TOKEN, URL, app_token, post, with_app_keys};

const PAGE: &str = "https://app.example.com";

async fn preflight(app: &TestApp, origin: &str) -> Response {
    let headers = [
        ("Origin", origin),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    ];
    app.ask("OPTIONS", TOKEN, &headers).await
}

#[tokio::test]
async fn a_page_that_is_named_may_ask_with_a_token_and_json_and_reads_its_limit() {
    let app = with_app_keys(&[("LKP__HTTP__CORS_ORIGINS", PAGE)]).await;
    let allowed = preflight(&app, PAGE).await;
    assert_eq!(allowed.header("access-control-allow-origin"), PAGE);
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert_eq!(allowed.header("access-control-allow-headers"), "authorization,content-type");
    assert_eq!(allowed.head.get("access-control-allow-credentials"), None, "no cookie counts");
    let bearer = format!("Bearer {}", app_token("alice"));
    let headers = [("Origin", PAGE), ("Authorization", &*bearer)];
    let answer = post(&app, &headers, r#"{"room":"general"}"#).await;
    assert_eq!(answer.header("access-control-allow-origin"), PAGE);
    let shown = answer.header("access-control-expose-headers").to_owned();
    for header in ["retry-after", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
        assert!(shown.contains(header), "{shown}");
    }
    // It may read why it was refused, too.
    let refused = post(&app, &[("Origin", PAGE)], "{}").await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, PAGE));
    let other = preflight(&app, "https://evil.example.com").await;
    assert_eq!(other.head.get("access-control-allow-origin"), None);
}

#[tokio::test]
async fn cookies_come_along_where_the_app_is_asked_and_pages_are_named() {
    let server = AppServer::start(AppReply::Hangs).await;
    let authorize = ("LKP__TOKENS__AUTHORIZE_URL", &*server.url());
    let settings = [authorize, ("LKP__TOKENS__URL", URL), ("LKP__HTTP__CORS_ORIGINS", PAGE)];
    let allowed = preflight(&TestApp::with(&settings).await, PAGE).await;
    assert_eq!(allowed.header("access-control-allow-credentials"), "true");
    let any = [authorize, ("LKP__TOKENS__URL", URL), ("LKP__HTTP__CORS_ORIGINS", "*")];
    let any = preflight(&TestApp::with(&any).await, PAGE).await;
    assert_eq!(any.header("access-control-allow-origin"), "*");
    assert_eq!(any.head.get("access-control-allow-credentials"), None);
    let keys = [("LKP__TOKENS__KEYS", APP_KEYS), ("LKP__TOKENS__URL", URL)];
    let none = preflight(&TestApp::with(&keys).await, PAGE).await;
    assert_eq!(none.head.get("access-control-allow-origin"), None);
}
