//! What a simulated session may do.

use serde_json::{Value, json};

pub(super) struct Permission {
    subscribe: bool,
    publish: bool,
    data: bool,
    /// LiveKit's names of sources; empty: any.
    sources: Vec<String>,
}

impl Default for Permission {
    fn default() -> Self {
        Self { subscribe: true, publish: true, data: true, sources: Vec::new() }
    }
}

impl Permission {
    /// What a call of LiveKit's API says of it.
    pub fn read(said: &Value) -> Self {
        let has = |grant: &str| said[grant].as_bool().unwrap_or_default();
        let sources = said["can_publish_sources"].as_array().into_iter().flatten();
        Self {
            subscribe: has("can_subscribe"),
            publish: has("can_publish"),
            data: has("can_publish_data"),
            sources: sources.filter_map(|source| Some(source.as_str()?.to_owned())).collect(),
        }
    }

    /// Whether a source may be published.
    pub fn opens(&self, source: &str) -> bool {
        self.publish && (self.sources.is_empty() || self.sources.iter().any(|one| one == source))
    }

    pub fn in_webhooks(&self) -> Value {
        json!({
            "canSubscribe": self.subscribe,
            "canPublish": self.publish,
            "canPublishData": self.data,
            "canPublishSources": self.sources,
        })
    }

    pub fn in_api(&self) -> Value {
        json!({
            "can_subscribe": self.subscribe,
            "can_publish": self.publish,
            "can_publish_data": self.data,
            "can_publish_sources": self.sources,
            "hidden": false,
        })
    }
}
