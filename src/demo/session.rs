//! One simulated session: one person's stay in a room.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::permission::Permission;

/// Joins as an agent: not everybody in a room is a person.
const AGENT: &str = "Concierge";

pub(super) struct Session {
    pub sid: String,
    pub person: &'static str,
    pub joined_at_ms: u64,
    pub version: u32,
    pub tracks: Vec<Value>,
    /// As moderators named them, if they did.
    pub name: Option<String>,
    pub metadata: String,
    pub attributes: BTreeMap<String, String>,
    pub permission: Permission,
}

impl Session {
    pub fn new(sid: String, person: &'static str, joined_at_ms: u64) -> Self {
        Self {
            sid,
            person,
            joined_at_ms,
            version: 2,
            tracks: Vec::new(),
            name: None,
            metadata: String::new(),
            attributes: BTreeMap::new(),
            permission: Permission::default(),
        }
    }

    pub fn identity(&self) -> String {
        self.person.to_lowercase()
    }

    /// Whether it can publish this source now. An agent only has a voice.
    pub fn may_turn_on(&self, source: &str) -> bool {
        let is_off = self.tracks.iter().all(|track| track["source"] != source);
        let fits = self.person != AGENT || source == "MICROPHONE";
        is_off && fits && self.permission.opens(source)
    }

    /// As `participant_joined` and `participant_left` describe it.
    pub fn full(&self, state: &str) -> Value {
        json!({
            "sid": self.sid,
            "identity": self.identity(),
            "name": self.name.as_deref().unwrap_or(self.person),
            "metadata": self.metadata,
            "attributes": self.attributes,
            "state": state,
            "joinedAt": (self.joined_at_ms / 1000).to_string(),
            "joinedAtMs": self.joined_at_ms.to_string(),
            "version": self.version,
            "kind": if self.person == AGENT { "AGENT" } else { "STANDARD" },
            "permission": self.permission.in_webhooks(),
        })
    }

    /// As LiveKit's API describes it.
    pub fn listed(&self) -> Value {
        let mut listed = self.full("ACTIVE");
        listed["tracks"] = self.tracks.clone().into();
        listed["permission"] = self.permission.in_api();
        listed
    }

    /// As webhooks about tracks describe it.
    pub fn short(&self) -> Value {
        json!({"sid": self.sid, "identity": self.identity()})
    }
}
