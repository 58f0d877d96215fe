//! What moderators do, beside a fake of LiveKit that carries it out and sends no webhook.

mod acts;
mod faults;
mod mute_all;
mod refusals;
mod tokens;
mod told;

use std::time::Instant;

use livekit_presence::livekit::VideoGrant;
use serde_json::{Value, json};

use crate::harness::{
    Response, ScriptedLiveKit, Subscriber, TestApp, WebhookBody, joined, request_head,
};

const KEYS: &str = "APItest: secret-of-the-tests-0123456789abcdef";
const ROOM: &str = "/api/livekit/rooms/general";
const ALICE: &str = "/api/livekit/rooms/general/participants/alice";
const MICROPHONE: &str = "/api/livekit/rooms/general/participants/alice/tracks/TR_alice";

/// The service beside a LiveKit with people in the room `general`, each with a microphone.
struct Moderated {
    app: TestApp,
    livekit: ScriptedLiveKit,
}

/// A join with a microphone.
fn speaker(identity: &str) -> WebhookBody {
    joined(identity).with("tracks", json!([microphone(&format!("TR_{identity}"))]))
}

fn microphone(sid: &str) -> Value {
    json!({"sid": sid, "type": "AUDIO", "source": "MICROPHONE", "name": "", "muted": false})
}

fn admin_of(room: &str) -> VideoGrant {
    VideoGrant { room: room.to_owned(), room_admin: true, ..VideoGrant::default() }
}

impl Moderated {
    async fn with(settings: &[(&str, &str)], people: &[WebhookBody]) -> Self {
        let livekit = ScriptedLiveKit::start(KEYS).await;
        let url = livekit.url();
        let mut all = vec![("LIVEKIT_URL", url.as_str()), ("LKP__RECONCILE__EVERY", "1h")];
        all.extend(settings);
        let app = TestApp::with_keys(&all, KEYS).await;
        livekit.list("general", people);
        app.webhooks(people.iter().cloned()).await;
        Self { app, livekit }
    }

    async fn start() -> Self {
        Self::with(&[], &[speaker("alice"), speaker("bob")]).await
    }

    /// Asks as the room's moderator.
    async fn ask(&self, method: &str, target: &str, body: &Value) -> Response {
        let token = self.app.token_with(admin_of("general"), "maria", 60);
        let bearer = format!("Bearer {token}");
        self.ask_with(method, target, &[("Authorization", &bearer)], body).await
    }

    async fn ask_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Response {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len().to_string();
        let mut all = vec![("Content-Length", length.as_str())];
        all.extend(headers);
        let mut request = request_head(method, target, &all);
        request.extend_from_slice(body.as_bytes());
        let mut connection = self.app.connect().await;
        connection.send(&request).await;
        connection.response_to(method).await
    }

    /// A stream of the room, and its first list.
    async fn subscriber(&self) -> Subscriber {
        let mut subscriber = self.app.subscriber("general").await;
        subscriber.next().await.unwrap();
        subscriber
    }

    /// Acts, and prints how long it takes until a subscriber is sent the next list. Returns the answer and that list.
    async fn seen_by(
        &self,
        subscriber: &mut Subscriber,
        (method, target, body): (&str, &str, Value),
    ) -> (Response, Value) {
        let asked_at = Instant::now();
        let answering = self.ask(method, target, &body);
        let seeing = async {
            let list = subscriber.next().await.expect("the stream goes on").json();
            (list, asked_at.elapsed())
        };
        let (answer, (list, seen_after)) = tokio::join!(answering, seeing);
        println!("{method} {target}: a subscriber saw it after {seen_after:?}");
        (answer, list)
    }
}
