//! Webhooks as LiveKit writes them.

use hyper::body::Bytes;
use serde_json::{Map, Value, json};

/// A webhook's body.
#[derive(Clone, Debug)]
pub(super) struct Webhook(pub Map<String, Value>);

/// One life of a room.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub room: String,
    pub sid: String,
    /// In milliseconds since the Unix epoch; whole seconds, as LiveKit's `createdAt` has no more.
    pub created_ms: u64,
}

/// How long a life of a room lasts, at most.
pub(super) const OPENING_MS: u64 = 20_000;

impl Webhook {
    /// An event of this second.
    pub fn new(event: &str, at_ms: u64, objects: Value) -> Self {
        let mut body = json!({
            "event": event,
            "id": new_sid("EV_"),
            "createdAt": (at_ms / 1000).to_string(),
        });
        if let (Value::Object(body), Value::Object(objects)) = (&mut body, objects) {
            body.extend(objects);
        }
        Self(into_map(body))
    }

    /// The same event under another id.
    pub fn with_new_id(&self) -> Self {
        self.clone().with("id", json!(new_sid("EV_")))
    }

    /// With another field of the event.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0.insert(field.to_owned(), value);
        self
    }

    pub fn without(mut self, field: &str) -> Self {
        self.0.remove(field);
        self
    }

    /// Google's writer of JSON puts spaces after commas, in some builds.
    pub fn text(&self) -> String {
        let fields = self.0.iter().map(|(name, value)| format!("{}:{value}", json!(name)));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
    }

    pub fn bytes(&self) -> Bytes {
        Bytes::from(self.text())
    }
}

impl Opening {
    pub fn started(&self) -> Webhook {
        Webhook::new("room_started", self.created_ms, json!({ "room": self.full() }))
    }

    pub fn finished(&self) -> Webhook {
        let at = self.created_ms + OPENING_MS - 5_000;
        Webhook::new("room_finished", at, json!({ "room": self.full() }))
    }

    /// The life after this one.
    pub fn next(&self) -> Self {
        let created_ms = self.created_ms + OPENING_MS;
        Self { room: self.room.clone(), sid: new_sid("RM_"), created_ms }
    }

    /// The room as most events have it. Its password must never reach a reader.
    pub fn full(&self) -> Value {
        json!({
            "sid": self.sid,
            "name": self.room,
            "emptyTimeout": 300,
            "departureTimeout": 20,
            "creationTime": (self.created_ms / 1000).to_string(),
            "creationTimeMs": self.created_ms.to_string(),
            "turnPassword": TURN_PASSWORD,
            "enabledCodecs": [{"mime": "audio/opus"}, {"mime": "video/VP8"}],
        })
    }

    /// The room as events of tracks have it.
    pub fn brief(&self) -> Value {
        json!({ "sid": self.sid, "name": self.room })
    }
}

pub(super) const TURN_PASSWORD: &str = "conformance-turn-password";

/// A new id, as LiveKit makes them.
pub(super) fn new_sid(prefix: &str) -> String {
    let letters = std::iter::repeat_with(fastrand::alphanumeric).take(12);
    letters.fold(prefix.to_owned(), |mut sid, letter| {
        sid.push(letter);
        sid
    })
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}
