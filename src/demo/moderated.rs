//! What moderators have a simulated room do, as LiveKit does it. Each returns what LiveKit answers; none where LiveKit answers 404.

use serde_json::{Value, json};

use super::{permission::Permission, room::SimulatedRoom, session::Session};

/// LiveKit's answer to a call, and the webhooks that follow.
pub(super) type Done = (Value, Vec<Value>);

impl SimulatedRoom {
    pub fn participants(&self) -> Value {
        json!({ "participants": self.inside.iter().map(Session::listed).collect::<Vec<_>>() })
    }

    pub fn participant(&self, identity: &str) -> Option<Value> {
        self.inside.iter().find(|session| session.identity() == identity).map(Session::listed)
    }

    /// Changes what the request names. Who loses the right to publish a track, loses the track.
    pub fn update(&mut self, identity: &str, request: &Value) -> Option<Done> {
        let session = self.inside.iter_mut().find(|session| session.identity() == identity)?;
        session.version += 1;
        if let Some(name) = request["name"].as_str() {
            session.name = Some(name.to_owned());
        }
        if let Some(metadata) = request["metadata"].as_str() {
            metadata.clone_into(&mut session.metadata);
        }
        for (key, value) in request["attributes"].as_object().into_iter().flatten() {
            match value.as_str().unwrap_or_default() {
                "" => session.attributes.remove(key),
                value => session.attributes.insert(key.clone(), value.to_owned()),
            };
        }
        if request["permission"].is_object() {
            session.permission = Permission::read(&request["permission"]);
        }
        let permission = &session.permission;
        let is_allowed = |track: &Value| permission.opens(track["source"].as_str().unwrap_or(""));
        let (kept, taken): (Vec<_>, Vec<_>) =
            std::mem::take(&mut session.tracks).into_iter().partition(is_allowed);
        session.tracks = kept;
        session.version += u32::from(!taken.is_empty());
        let (answer, short) = (session.listed(), session.short());
        let webhooks = taken
            .into_iter()
            .map(|track| self.webhook("track_unpublished", short.clone(), track))
            .collect();
        Some((answer, webhooks))
    }

    pub fn remove(&mut self, identity: &str) -> Option<Done> {
        let index = self.inside.iter().position(|session| session.identity() == identity)?;
        let session = self.inside.swap_remove(index);
        Some((json!({}), self.end_session(session, "PARTICIPANT_REMOVED")))
    }

    /// LiveKit tells nobody but its clients that a track is muted.
    pub fn mute(&mut self, identity: &str, sid: &str, muted: bool) -> Option<Done> {
        let session = self.inside.iter_mut().find(|session| session.identity() == identity)?;
        let track = session.tracks.iter_mut().find(|track| track["sid"] == sid)?;
        track["muted"] = muted.into();
        session.version += 1;
        Some((json!({ "track": track }), Vec::new()))
    }

    pub fn delete(&mut self) -> Option<Done> {
        self.is_open().then(|| (json!({}), self.end("ROOM_DELETED")))
    }
}
