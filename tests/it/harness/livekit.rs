//! Webhooks as LiveKit words them.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

/// Gives ids and join times, which rise within a test process.
static NEXT: AtomicU64 = AtomicU64::new(1);

pub const EPOCH_MS: u64 = 1_795_391_850_000;

/// The body of a webhook, in the room `general` unless another is set.
#[derive(Clone, Debug)]
pub struct WebhookBody(pub Value);

pub fn started() -> WebhookBody {
    event("room_started")
}

/// The end of a room, after everybody joined who has until now.
pub fn finished() -> WebhookBody {
    event("room_finished").created_at_ms(EPOCH_MS + NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A join of `identity`, whose session has the sid `PA_` + identity.
pub fn joined(identity: &str) -> WebhookBody {
    event("participant_joined").participant(identity, "ACTIVE")
}

pub fn left(identity: &str) -> WebhookBody {
    event("participant_left").participant(identity, "DISCONNECTED")
}

pub fn published(identity: &str, track: &str) -> WebhookBody {
    event("track_published").track(identity, track)
}

fn event(name: &str) -> WebhookBody {
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    WebhookBody(json!({
        "event": name,
        "room": {"sid": "RM_general", "name": "general", "turnPassword": "never-shown"},
        "id": format!("EV_{next}"),
        "createdAt": (EPOCH_MS / 1000).to_string(),
    }))
}

impl WebhookBody {
    pub fn room(mut self, name: &str) -> Self {
        self.0["room"]["name"] = name.into();
        self.0["room"]["sid"] = format!("RM_{name}").into();
        self
    }

    pub fn sid(mut self, sid: &str) -> Self {
        self.0["participant"]["sid"] = sid.into();
        self
    }

    pub fn metadata(mut self, metadata: &str) -> Self {
        self.0["participant"]["metadata"] = metadata.into();
        self
    }

    pub fn name(mut self, name: &str) -> Self {
        self.0["participant"]["name"] = name.into();
        self
    }

    pub fn kind(mut self, kind: &str) -> Self {
        self.0["participant"]["kind"] = kind.into();
        self
    }

    /// Sets a field of the participant.
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.0["participant"][field] = value;
        self
    }

    /// Makes it a telephone participant with this call status.
    pub fn calling(mut self, status: &str) -> Self {
        self.0["participant"]["kind"] = "SIP".into();
        self.0["participant"]["attributes"] = json!({"sip.callStatus": status});
        self
    }

    /// Makes the track a video from this source.
    pub fn video_of(mut self, source: &str) -> Self {
        self.0["track"]["source"] = source.into();
        self.0["track"]["type"] = "VIDEO".into();
        self
    }

    pub fn muted(mut self) -> Self {
        self.0["track"]["muted"] = true.into();
        self
    }

    /// Sets when LiveKit made it, by LiveKit's clock.
    pub fn created_at_ms(mut self, millis: u64) -> Self {
        self.0["createdAt"] = (millis / 1000).to_string().into();
        self
    }

    /// Sets when LiveKit made the room object.
    pub fn room_created_at_ms(mut self, millis: u64) -> Self {
        self.0["room"]["creationTime"] = (millis / 1000).to_string().into();
        self.0["room"]["creationTimeMs"] = millis.to_string().into();
        self
    }

    /// Describes the room in full, with this metadata.
    pub fn room_metadata(self, metadata: &str) -> Self {
        let mut described = self.room_created_at_ms(EPOCH_MS - 5_000);
        described.0["room"]["metadata"] = metadata.into();
        described
    }

    pub fn version(mut self, version: u32) -> Self {
        self.0["participant"]["version"] = version.into();
        self
    }

    pub fn hidden(mut self) -> Self {
        self.0["participant"]["permission"] = json!({"hidden": true});
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }

    fn participant(mut self, identity: &str, state: &str) -> Self {
        let joined_at_ms = EPOCH_MS + NEXT.fetch_add(1, Ordering::Relaxed);
        self.0["participant"] = json!({
            "sid": format!("PA_{identity}"),
            "identity": identity,
            "name": identity,
            "state": state,
            "joinedAtMs": joined_at_ms.to_string(),
            "version": 2,
        });
        self
    }

    fn track(mut self, identity: &str, track: &str) -> Self {
        self.0["participant"] = json!({"sid": format!("PA_{identity}"), "identity": identity});
        self.0["track"] = json!({"sid": track, "type": "AUDIO", "source": "MICROPHONE"});
        self
    }
}
