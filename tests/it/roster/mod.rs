//! Rosters: what moderators write, who may, and what everybody who watches is sent, on one instance and on several.

mod instances;
mod kept;
mod live;
mod many;
mod rights;
mod routes;
mod with_livekit;

use livekit_presence::livekit::VideoGrant;
use serde_json::{Value, json};

use crate::harness::{Response, Subscriber, TestApp, TestDatabase, request_head, within_deadline};

/// Everything about the roster of this room, below `/api/livekit/`.
const ROSTER: &str = "rooms/stage/roster";

/// The service with a database, and with its roster.
struct Stage {
    app: TestApp,
    kind: TestDatabase,
}

impl Stage {
    async fn new() -> Self {
        Self::with(TestDatabase::sqlite(), &[]).await
    }

    async fn with(kind: TestDatabase, settings: &[(&str, &str)]) -> Self {
        let url = kind.url();
        let mut all = vec![("HISTORY_URL", url.as_str())];
        all.extend(settings);
        Self { app: TestApp::with(&all).await, kind }
    }

    async fn list(&self) -> Value {
        self.ok("GET", ROSTER, None).await
    }

    /// Asks as the moderator, and takes the JSON of an answer that is no refusal.
    async fn ok(&self, method: &str, target: &str, body: Option<Value>) -> Value {
        let answer = self.ask(method, target, body, &[]).await;
        assert!((200..300).contains(&answer.status), "{target}: {}", answer.text());
        if answer.status == 204 { Value::Null } else { answer.json() }
    }

    async fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Response {
        ask(&self.app, method, target, body, headers).await
    }

    /// Opens the stream of the room with its roster, and reads past the list.
    async fn watch(&self) -> Subscriber {
        watch(&self.app).await
    }
}

/// Asks as the moderator of the room.
async fn ask(
    app: &TestApp,
    method: &str,
    target: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Response {
    let bearer = format!("Bearer {}", moderator(app));
    let mut all = vec![("Authorization", bearer.as_str())];
    all.extend(headers);
    send(app, method, target, body, &all).await
}

async fn send(
    app: &TestApp,
    method: &str,
    target: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
) -> Response {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let length = body.len().to_string();
    let mut all = vec![("Content-Length", length.as_str()), ("Content-Type", "application/json")];
    all.extend(headers);
    let mut request = request_head(method, &format!("/api/livekit/{target}"), &all);
    request.extend_from_slice(body.as_bytes());
    app.send(&request).await
}

fn moderator(app: &TestApp) -> String {
    let video = VideoGrant { room: "stage".to_owned(), room_admin: true, ..VideoGrant::default() };
    app.token_with(video, "moderator", 600)
}

async fn watch(app: &TestApp) -> Subscriber {
    let bearer = format!("Bearer {}", app.token("stage", 600));
    let target = "/api/livekit/rooms/stream?room=stage&roster=true";
    app.open_stream(target, &[("Authorization", &bearer)]).await
}

/// The data of the next event about the roster; those about lists are passed over.
async fn next_roster(subscriber: &mut Subscriber) -> Value {
    let next = async {
        loop {
            let event = subscriber.next().await.expect("the stream goes on");
            if event.name == "roster:update" {
                assert_eq!(event.id, None);
                return event.json();
            }
        }
    };
    within_deadline("the roster", next).await
}

/// Identity and status of each entry.
fn statuses(entries: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let entries = entries.as_array().expect("entries").iter();
    entries.map(|entry| (text(&entry["identity"]), text(&entry["status"]))).collect()
}

/// The same as they are expected.
fn expected(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(identity, status)| ((*identity).into(), (*status).into())).collect()
}

fn counts(roster: &Value) -> [&Value; 2] {
    [&roster["onlineCount"], &roster["totalCount"]]
}

fn everybody(identities: impl IntoIterator<Item = String>) -> Value {
    let entries = identities.into_iter().map(|identity| json!({"identity": identity}));
    json!({"entries": entries.collect::<Vec<_>>()})
}
