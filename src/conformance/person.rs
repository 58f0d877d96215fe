//! Somebody in a room, and the webhooks that tell of them.

use serde_json::{Value, json};

use super::webhook::{Opening, Webhook, new_sid};

/// One session of a person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    opening: Opening,
    joined_ms: u64,
    /// As LiveKit writes a participant.
    fields: Value,
}

/// A track of somebody.
#[derive(Clone, Debug)]
pub(super) struct Track(pub Value);

impl Person {
    pub fn new(opening: &Opening, identity: &str, joined_ms: u64) -> Self {
        let fields = json!({
            "sid": new_sid("PA_"),
            "identity": identity,
            "state": "ACTIVE",
            "joinedAt": (joined_ms / 1000).to_string(),
            "joinedAtMs": joined_ms.to_string(),
            "name": identity,
            "version": 2,
            "permission": {"canSubscribe": true, "canPublish": true, "canPublishData": true},
        });
        Self { opening: opening.clone(), joined_ms, fields }
    }

    pub fn sid(&self) -> &str {
        self.text("sid")
    }

    pub fn identity(&self) -> &str {
        self.text("identity")
    }

    pub fn joined_ms(&self) -> u64 {
        self.joined_ms
    }

    fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }

    /// With another field.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.fields[field] = value;
        self
    }

    pub fn without(mut self, field: &str) -> Self {
        if let Value::Object(fields) = &mut self.fields {
            fields.remove(field);
        }
        self
    }

    /// With something that is not granted by default.
    pub fn with_permission(mut self, name: &str, value: Value) -> Self {
        self.fields["permission"][name] = value;
        self
    }

    /// Who joined that much later, or, if negative, earlier.
    pub fn later_by(self, millis: i64) -> Self {
        let joined_ms = self.joined_ms.saturating_add_signed(millis);
        let moved = self
            .with("joinedAt", json!((joined_ms / 1000).to_string()))
            .with("joinedAtMs", json!(joined_ms.to_string()));
        Self { joined_ms, ..moved }
    }

    /// A later session of the same person.
    pub fn again(&self) -> Self {
        self.clone().later_by(1_000).with("sid", json!(new_sid("PA_")))
    }

    pub fn joined(&self) -> Webhook {
        let objects = json!({ "room": self.opening.full(), "participant": self.fields });
        Webhook::new("participant_joined", self.joined_ms, objects)
    }

    pub fn left(&self) -> Webhook {
        self.gone("participant_left", "CLIENT_INITIATED")
    }

    /// The end of a session that was never active.
    pub fn aborted(&self) -> Webhook {
        self.gone("participant_connection_aborted", "SIGNAL_CLOSE")
    }

    fn gone(&self, event: &str, reason: &str) -> Webhook {
        let gone = self.clone().with("state", json!("DISCONNECTED")).without("tracks");
        let gone = gone.with("disconnectReason", json!(reason)).with("version", json!(9));
        let objects = json!({ "room": self.opening.full(), "participant": gone.fields });
        Webhook::new(event, self.joined_ms + 2_000, objects)
    }

    pub fn published(&self, track: &Track) -> Webhook {
        self.of_track("track_published", track)
    }

    pub fn unpublished(&self, track: &Track) -> Webhook {
        self.of_track("track_unpublished", track)
    }

    /// These have the sid and the identity alone.
    fn of_track(&self, event: &str, track: &Track) -> Webhook {
        let participant = json!({ "sid": self.sid(), "identity": self.identity() });
        let objects =
            json!({ "room": self.opening.brief(), "participant": participant, "track": track.0 });
        Webhook::new(event, self.joined_ms + 1_000, objects)
    }
}

impl Track {
    /// LiveKit leaves out what is zero: the type of audio, and `muted`.
    pub fn microphone() -> Self {
        Self(json!({
            "sid": new_sid("TR_AM"), "name": "microphone", "source": "MICROPHONE", "mimeType": "audio/red",
            "mid": "7", "stream": "camera",
        }))
    }

    pub fn camera() -> Self {
        Self(json!({
            "sid": new_sid("TR_VC"), "type": "VIDEO", "name": "camera", "source": "CAMERA",
            "width": 160, "height": 120, "mimeType": "video/VP8", "mid": "8",
        }))
    }

    pub fn sid(&self) -> &str {
        self.0["sid"].as_str().unwrap_or_default()
    }

    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0[field] = value;
        self
    }
}
