//! Every operation of `/openapi.json` is answered here with what it is for, and refused as it says. What this run does not see is
//! listed, with the place that does.

use std::collections::BTreeSet;

use livekit_presence::livekit::VideoGrant;
use serde_json::Value;

use crate::harness::{
    ScriptedLiveKit, SeenOfDocument, TestApp, TestDatabase, document, joined, request_head,
    seen_at, upgrade_headers, webhook_request,
};

use super::tokens::{APP_KEYS, URL, app_token};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";

/// Statuses that depend on no operation: each is made in one place of the service.
const NOT_HERE: [(&str, &str); 8] = [
    ("400", "tests/it/http/errors.rs, and the refusals of each folder"),
    ("404", "tests/it/http/refusals.rs, and where something is not configured"),
    ("409", "tests/it/bans/routes.rs, tests/it/http/moderation and tests/it/roster/routes.rs"),
    ("412", "tests/it/roster/routes.rs"),
    ("413", "tests/it/http/moderation/refusals.rs and tests/it/http/webhook.rs"),
    ("426", "tests/it/http/web_socket_refusals.rs"),
    ("429", "tests/it/http/limits.rs"),
    ("502", "tests/it/http/moderation/faults.rs and tests/it/http/tokens/authorized.rs"),
];

/// The same of one operation.
const ELSEWHERE: [(&str, &str); 6] = [
    ("changeParticipant 204", "hidden people: tests/it/http/moderation/acts.rs"),
    ("changeTrack 200", "tests/it/http/moderation/acts.rs"),
    ("changeTrack 204", "hidden people: tests/it/http/moderation/acts.rs"),
    ("makeToken 403", "somebody who is banned: tests/it/bans/rights.rs"),
    ("makeTokenInsecurely 403", "the same"),
    ("patchEntry 200", "an entry that is changed again: tests/it/roster/routes.rs"),
];

/// What each operation is for: how it is asked, and the body.
const USES: [(&str, &str, &str); 48] = [
    ("GET", "/api/livekit/participants?room=stage", ""),
    ("GET", "/api/livekit/participants?room=stage&view=count", ""),
    ("GET", "/api/livekit/rooms", ""),
    ("GET", "/api/livekit/rooms?limit=1", ""),
    ("GET", "/api/rooms", ""),
    ("GET", "/api/livekit/rooms/stage", ""),
    ("GET", "/api/livekit/rooms/stage/attendance", ""),
    ("GET", "/api/livekit/rooms/stage/attendance?by=instance", ""),
    ("GET", "/api/livekit/rooms/stage/attendance?format=csv", ""),
    ("GET", "/api/livekit/sessions", ""),
    ("GET", "/api/livekit/sessions/RM_1", ""),
    ("GET", "/api/livekit/people/alice", ""),
    ("GET", "/api/livekit/analytics", ""),
    ("GET", "/api/livekit/token?room=stage&username=alice", ""),
    ("PUT", "/api/livekit/rooms/stage/roster/bob", "{}"),
    ("PUT", "/api/livekit/rooms/stage/roster/bob", r#"{"note":"late"}"#),
    ("PATCH", "/api/livekit/rooms/stage/roster/alice", r#"{"note":"opens"}"#),
    ("GET", "/api/livekit/rooms/stage/roster/bob", ""),
    ("GET", "/api/livekit/rooms/stage/roster?limit=1", ""),
    ("DELETE", "/api/livekit/rooms/stage/roster/bob", ""),
    ("PATCH", "/api/livekit/rooms/stage/roster", r#"{"entries":[{"identity":"bob"}]}"#),
    ("PUT", "/api/livekit/rooms/stage/roster", r#"{"entries":[{"identity":"bob"}]}"#),
    ("GET", "/api/livekit/rooms/stage/roster", ""),
    ("DELETE", "/api/livekit/rooms/stage/roster", ""),
    ("PUT", "/api/livekit/rooms/stage/bans/mallory", r#"{"reason":"spam"}"#),
    ("GET", "/api/livekit/rooms/stage/bans", ""),
    ("DELETE", "/api/livekit/rooms/stage/bans/mallory", ""),
    ("PATCH", "/api/livekit/rooms/stage/participants/alice", r#"{"metadata":"x"}"#),
    ("POST", "/api/livekit/rooms/stage/mute-all", "{}"),
    ("DELETE", "/api/livekit/rooms/stage/participants/alice", ""),
    ("DELETE", "/api/livekit/rooms/stage", ""),
    ("DELETE", "/api/livekit/people/alice/history", ""),
    ("GET", "/api/livekit/figures", ""),
    ("GET", "/api/livekit/figures?since=0&instances=all", ""),
    ("GET", "/api/livekit/webhooks", ""),
    ("GET", "/api/livekit/webhooks?limit=1", ""),
    ("GET", "/api/livekit/diagnosis", ""),
    ("GET", "/healthz", ""),
    ("GET", "/readyz", ""),
    ("GET", "/metrics", ""),
    ("GET", "/openapi.json", ""),
    ("GET", "/docs/api", ""),
    ("GET", "/", ""),
    ("GET", "/page/main.js", ""),
    ("GET", "/page/style.css", ""),
    ("HEAD", "/api/livekit/participants/stream?room=stage", ""),
    ("HEAD", "/api/livekit/rooms/stream?room=stage", ""),
    ("HEAD", "/api/events", ""),
];

#[tokio::test]
async fn every_operation_is_seen_to_be_as_it_is_described() {
    let (database, livekit) = (TestDatabase::sqlite(), ScriptedLiveKit::start(KEYS).await);
    let settings = [
        ("HISTORY_URL", database.url()),
        ("LIVEKIT_URL", livekit.url()),
        ("LKP__RECONCILE__EVERY", "1h".to_owned()),
        ("LKP__TOKENS__KEYS", APP_KEYS.to_owned()),
        ("LKP__TOKENS__URL", URL.to_owned()),
        ("LKP__TOKENS__INSECURE", "true".to_owned()),
    ];
    let settings: Vec<_> = settings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let app = TestApp::with_keys(&settings, KEYS).await;
    let alice = joined("alice").room("stage");
    livekit.list("stage", std::slice::from_ref(&alice));
    assert_eq!(app.post(&alice).await.status, 200);
    let body = alice.bytes();
    let signed = app.sign(&body);
    let too = webhook_request("/api/webhooks/livekit", &[("Authorization", &signed)], &body);
    assert_eq!(app.send(&too).await.status, 200);
    for (method, target, body) in USES {
        let answer = ask(&app, method, target, &bearer_for(&app, target), body).await;
        assert!((200..300).contains(&answer), "{method} {target}: {answer}");
    }
    made_token_and_sockets(&app).await;
    newest_webhook(&app).await;
    refused_and_known(&app).await;
    let missing: BTreeSet<_> =
        described().difference(&seen_at(app.address.port())).cloned().collect();
    let expected: BTreeSet<_> = ELSEWHERE.iter().map(|(what, _)| (*what).to_owned()).collect();
    let unexpected: Vec<_> = missing.difference(&expected).collect();
    assert!(unexpected.is_empty(), "never seen: {unexpected:#?}");
}

/// Operations with the statuses that are seen here.
fn described() -> BTreeSet<SeenOfDocument> {
    let paths = document()["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
    let answers = operations.flat_map(|operation| {
        let id = operation["operationId"].as_str().unwrap();
        let statuses = operation["responses"].as_object().unwrap().keys();
        let here = statuses.filter(|status| NOT_HERE.iter().all(|(one, _)| one != status));
        here.map(move |status| format!("{id} {status}"))
    });
    answers.collect()
}

/// A token that may do this.
fn bearer_for(app: &TestApp, target: &str) -> String {
    let video = if target.ends_with("/history") || target.ends_with("/diagnosis") {
        VideoGrant { room_admin: true, ..VideoGrant::default() }
    } else if target.contains("/rooms/stage") && !target.contains("stream") {
        VideoGrant { room: "stage".to_owned(), room_admin: true, ..VideoGrant::default() }
    } else {
        VideoGrant { room_list: true, ..VideoGrant::default() }
    };
    format!("Bearer {}", app.token_with(video, "moderator", 600))
}

async fn ask(app: &TestApp, method: &str, target: &str, bearer: &str, body: &str) -> u16 {
    let length = body.len().to_string();
    let mut headers = vec![("Content-Length", length.as_str())];
    if !bearer.is_empty() {
        headers.push(("Authorization", bearer));
    }
    let mut request = request_head(method, target, &headers);
    request.extend_from_slice(body.as_bytes());
    let mut connection = app.connect().await;
    connection.send(&request).await;
    connection.response_to(method).await.status
}

async fn made_token_and_sockets(app: &TestApp) {
    let bearer = format!("Bearer {}", app_token("carol"));
    let body = r#"{"room":"stage"}"#;
    assert_eq!(ask(app, "POST", "/api/livekit/token", &bearer, body).await, 200);
    for target in ["/api/livekit/participants/ws?room=stage", "/api/livekit/rooms/ws"] {
        let mut connection = app.connect().await;
        connection.request("GET", target, &upgrade_headers()).await;
        assert_eq!(connection.head().await.status(), 101, "{target}");
    }
}

async fn newest_webhook(app: &TestApp) {
    let target = "/api/livekit/webhooks";
    let bearer = bearer_for(app, target);
    let page = app.get(target, &[("Authorization", &bearer)]).await.json();
    let id = page["webhooks"][0]["id"].as_str().unwrap();
    assert_eq!(ask(app, "GET", &format!("{target}/{id}"), &bearer, "").await, 200);
    assert_eq!(ask(app, "POST", &format!("{target}/{id}/dry-run"), &bearer, "").await, 200);
}

/// Asks each operation without a token, with one of another room, and for what the client has.
async fn refused_and_known(app: &TestApp) {
    let foreign = format!("Bearer {}", app.token("elsewhere", 600));
    for (path, methods) in document()["paths"].as_object().unwrap() {
        let path = path.replace("{room}", "stage").replace(['{', '}'], "");
        let target = format!("{path}?room=stage");
        for (method, operation) in methods.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let has = |status: &str| operation["responses"].get(status).is_some();
            if has("401") {
                ask(app, &method, &target, "", "").await;
            }
            if has("403") {
                ask(app, &method, &target, &foreign, "").await;
            }
            if has("304") {
                let bearer = bearer_for(app, &path);
                let headers = [("Authorization", bearer.as_str()), ("If-None-Match", "*")];
                assert_eq!(app.get(&target, &headers).await.status, 304, "{path}");
            }
            if has("204") && method == "GET" {
                let bearer = bearer_for(app, &path);
                let headers = [("Authorization", bearer.as_str()), ("Last-Event-ID", "replaced")];
                assert_eq!(app.get(&target, &headers).await.status, 204, "{path}");
            }
        }
    }
}

#[test]
fn what_is_seen_elsewhere_is_described() {
    let described = described();
    for (what, _) in ELSEWHERE {
        assert!(described.contains(what), "{what}");
    }
    let is_described = |status: &str| {
        let paths = document()["paths"].as_object().unwrap().values();
        let mut operations = paths.flat_map(|methods| methods.as_object().unwrap().values());
        operations.any(|operation: &Value| operation["responses"].get(status).is_some())
    };
    assert!(NOT_HERE.iter().all(|(status, _)| is_described(status)));
}
