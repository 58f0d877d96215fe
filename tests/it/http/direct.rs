//! Lists and webhooks come past the router, which has the same handlers for other methods and paths: both answer the same.

use crate::harness::{Head, TestApp, joined, started, webhook_request};

const LIST: &str = "/api/livekit/participants";

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn a_list_has_the_head_that_the_router_gives_it() {
    let app = TestApp::with(&[("LKP__HTTP__CORS_ORIGINS", "https://app.example.com")]).await;
    app.webhooks([started(), joined("alice")]).await;
    let bearer = format!("Bearer {}", app.token("general", 60));
    let authorized = ("Authorization", bearer.as_str());
    let tag = app.participants("general").await.header("etag").to_owned();
    let asked: [(&str, Headers); 9] = [
        ("?room=general", &[authorized]),
        ("?room=general", &[authorized, ("If-None-Match", &tag)]),
        ("?room=general", &[authorized, ("Origin", "https://app.example.com")]),
        ("?room=general", &[authorized, ("Origin", "https://other.example.com")]),
        ("?room=general", &[]),
        ("?room=general", &[("Authorization", "Bearer nonsense")]),
        ("?room=elsewhere", &[authorized]),
        ("?room=", &[authorized]),
        ("", &[authorized]),
    ];
    for (query, headers) in asked {
        let target = format!("{LIST}{query}");
        let direct = app.get(&target, headers).await;
        let routed = app.ask("HEAD", &target, headers).await;
        assert_eq!(comparable(&direct.head), comparable(&routed.head), "{query} {headers:?}");
    }
}

#[tokio::test]
async fn a_webhook_is_answered_as_the_router_answers_it() {
    let app = TestApp::start().await;
    let body = started().bytes();
    let token = app.sign(&body);
    let signed = [("Authorization", token.as_str())];
    let asked: [(Headers, &[u8]); 4] = [
        (&signed, &body),
        (&signed, b"{}"),
        (&[], &body),
        (&[("Authorization", "nonsense")], &body),
    ];
    for (headers, body) in asked {
        let direct = app.send(&webhook_request("/api/livekit/webhook", headers, body)).await;
        let routed = app.send(&webhook_request("/api/livekit/webhook/", headers, body)).await;
        assert_eq!(comparable(&direct.head), comparable(&routed.head), "{headers:?}");
        assert_eq!(direct.text(), routed.text());
    }
}

/// Without what differs from answer to answer, and without a 304's length: the router says 0, although a list is longer, which RFC 9110,
/// 8.6, does not allow.
fn comparable(head: &Head) -> (&str, Vec<&(String, String)>) {
    let is_304 = head.status_line.contains(" 304 ");
    let differs =
        |name: &str| ["date", "x-request-id"].contains(&name) || is_304 && name == "content-length";
    let mut headers: Vec<_> = head.headers.iter().filter(|(name, _)| !differs(name)).collect();
    headers.sort();
    (&head.status_line, headers)
}
