//! One simulated session: one person's stay in a room.

use serde_json::{Value, json};

/// Joins as an agent: not everybody in a room is a person.
const AGENT: &str = "Concierge";

pub(super) struct Session {
    pub sid: String,
    pub person: &'static str,
    pub joined_at_ms: u64,
    pub version: u32,
    pub tracks: Vec<Value>,
}

impl Session {
    /// Whether it can publish this source now. An agent only has a voice.
    pub fn may_turn_on(&self, source: &str) -> bool {
        let is_off = self.tracks.iter().all(|track| track["source"] != source);
        is_off && (self.person != AGENT || source == "MICROPHONE")
    }

    /// As `participant_joined` and `participant_left` describe it.
    pub fn full(&self, state: &str) -> Value {
        json!({
            "sid": self.sid,
            "identity": self.person.to_lowercase(),
            "name": self.person,
            "state": state,
            "joinedAt": (self.joined_at_ms / 1000).to_string(),
            "joinedAtMs": self.joined_at_ms.to_string(),
            "version": self.version,
            "kind": if self.person == AGENT { "AGENT" } else { "STANDARD" },
            "permission": {"canSubscribe": true, "canPublish": true},
        })
    }

    /// As webhooks about tracks describe it.
    pub fn short(&self) -> Value {
        json!({"sid": self.sid, "identity": self.person.to_lowercase()})
    }
}
