//! What moderators have LiveKit do. Each call is about one room, and its token opens only that one.
//!
//! The JSON is that of `livekit_room.proto` of livekit/protocol. LiveKit answers an update with the participant as they are now,
//! and sends no webhook for it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    livekit::{
        list::UnreadableList,
        object::Object,
        video_grant::VideoGrant,
        wire::{Missing, ParticipantInfo, TrackInfo},
    },
    presence::{Identity, RoomName, SessionInfo, Track, TrackSid, TrackSource},
};

use super::{answer::Answer, client::Api, error::ApiError, method::Method};

/// A call that goes on to the session's node takes three seconds if that does not answer (psrpc's own timeout).
const NODE_TIMEOUT: Duration = Duration::from_millis(3_300);

/// What changes about a participant. What is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParticipantUpdate {
    pub permission: Option<PermissionUpdate>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    /// An empty value removes the attribute.
    pub attributes: BTreeMap<String, String>,
}

/// What changes about a participant's permission.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PermissionUpdate {
    pub can_publish: Option<bool>,
    pub can_subscribe: Option<bool>,
    pub can_publish_data: Option<bool>,
    /// LiveKit's names of track sources in lower case; empty: any.
    pub can_publish_sources: Option<Vec<String>>,
    pub can_update_metadata: Option<bool>,
}

/// A participant as LiveKit has them after a change.
#[derive(Clone, Debug)]
pub struct UpdatedParticipant {
    pub info: SessionInfo,
    /// The sources that they may publish, if they may publish at all; empty: any.
    pub sources: Vec<TrackSource>,
}

#[derive(Deserialize)]
struct TrackAnswer {
    track: Option<Object<TrackInfo>>,
}

impl Api {
    /// Changes a participant. None if LiveKit does not know them. Returns them as LiveKit has them now.
    ///
    /// LiveKit replaces a permission as a whole, and would show somebody hidden of whom that is not said. So the permission that
    /// they have is asked for first.
    ///
    /// # Errors
    /// LiveKit did not do it, or nothing is known of it.
    pub async fn update_participant(
        &self,
        room: &RoomName,
        identity: &Identity,
        update: &ParticipantUpdate,
    ) -> Result<Option<UpdatedParticipant>, ApiError> {
        let mut request = json!({ "room": room, "identity": identity });
        if let Some(change) = &update.permission {
            let Some(mut permission) = self.permission(room, identity).await? else {
                return Ok(None);
            };
            change.apply(&mut permission);
            request["permission"] = permission.into();
        }
        if let Some(name) = &update.name {
            request["name"] = name.as_str().into();
        }
        if let Some(metadata) = &update.metadata {
            request["metadata"] = metadata.as_str().into();
        }
        if !update.attributes.is_empty() {
            request["attributes"] = json!(update.attributes);
        }
        let answer = self.at_node(Method::UpdateParticipant, room, &request).await?;
        answer.map(|body| read_updated(&body)).transpose()
    }

    /// Removes a participant, who may come back with a valid token. With `revoke`, tokens that were made before now are refused,
    /// where LiveKit can do that. False if LiveKit does not know them.
    ///
    /// # Errors
    /// LiveKit did not do it, or nothing is known of it.
    pub async fn remove_participant(
        &self,
        room: &RoomName,
        identity: &Identity,
        revoke_before_secs: Option<u64>,
    ) -> Result<bool, ApiError> {
        let mut request = json!({ "room": room, "identity": identity });
        if let Some(secs) = revoke_before_secs {
            request["revoke_token_ts"] = secs.into();
        }
        Ok(self.at_node(Method::RemoveParticipant, room, &request).await?.is_some())
    }

    /// Mutes a track, or has it heard again, which LiveKit does only with `room.enable_remote_unmute`. None if LiveKit does not
    /// know the participant or the track.
    ///
    /// # Errors
    /// LiveKit did not do it, or nothing is known of it.
    pub async fn mute_track(
        &self,
        room: &RoomName,
        identity: &Identity,
        track: &TrackSid,
        muted: bool,
    ) -> Result<Option<Track>, ApiError> {
        let request =
            json!({ "room": room, "identity": identity, "track_sid": track, "muted": muted });
        let Some(body) = self.at_node(Method::MutePublishedTrack, room, &request).await? else {
            return Ok(None);
        };
        let Object(TrackAnswer { track }) = read(&body)?;
        track.map(|Object(track)| track.into_track().map_err(unreadable)).transpose()
    }

    /// Ends a room: everybody in it is removed. False if LiveKit does not know it.
    ///
    /// # Errors
    /// LiveKit did not do it, or nothing is known of it.
    pub async fn delete_room(&self, room: &RoomName) -> Result<bool, ApiError> {
        let grant = VideoGrant { room_create: true, ..VideoGrant::default() };
        let answer =
            self.call(Method::DeleteRoom, grant, &json!({ "room": room }), NODE_TIMEOUT).await?;
        Ok(matches!(answer, Answer::Ok(_)))
    }

    /// A participant as LiveKit has them, in its store: their node need not answer. None if it does not know them.
    ///
    /// # Errors
    /// Nothing is known.
    pub async fn participant(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<SessionInfo>, ApiError> {
        let body = self.get_participant(room, identity).await?;
        body.map(|body| read_session(&body)).transpose()
    }

    /// A participant's permission as LiveKit has it, with what this build does not know of.
    async fn permission(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Map<String, Value>>, ApiError> {
        let Some(body) = self.get_participant(room, identity).await? else {
            return Ok(None);
        };
        let mut participant: Map<String, Value> = read(&body)?;
        match participant.remove("permission") {
            Some(Value::Object(permission)) => Ok(Some(permission)),
            Some(_) | None => Ok(Some(Map::new())),
        }
    }

    async fn get_participant(
        &self,
        room: &RoomName,
        identity: &Identity,
    ) -> Result<Option<Bytes>, ApiError> {
        let request = json!({ "room": room, "identity": identity });
        self.of_room(Method::GetParticipant, room, &request, self.timeout).await
    }

    async fn at_node(
        &self,
        method: Method,
        room: &RoomName,
        request: &Value,
    ) -> Result<Option<Bytes>, ApiError> {
        self.of_room(method, room, request, NODE_TIMEOUT).await
    }

    async fn of_room(
        &self,
        method: Method,
        room: &RoomName,
        request: &Value,
        limit: Duration,
    ) -> Result<Option<Bytes>, ApiError> {
        match self.call(method, VideoGrant::of_room(room), request, limit).await? {
            Answer::Ok(body) => Ok(Some(body)),
            Answer::NotFound => Ok(None),
        }
    }
}

impl PermissionUpdate {
    fn apply(&self, permission: &mut Map<String, Value>) {
        let sources = self.can_publish_sources.as_ref().map(|sources| {
            sources.iter().map(|source| source.to_ascii_uppercase()).collect::<Vec<_>>().into()
        });
        let changes = [
            ("can_publish", self.can_publish.map(Value::from)),
            ("can_subscribe", self.can_subscribe.map(Value::from)),
            ("can_publish_data", self.can_publish_data.map(Value::from)),
            ("can_publish_sources", sources),
            ("can_update_metadata", self.can_update_metadata.map(Value::from)),
        ];
        for (field, value) in changes {
            if let Some(value) = value {
                permission.insert(field.to_owned(), value);
            }
        }
    }
}

fn read_updated(body: &[u8]) -> Result<UpdatedParticipant, ApiError> {
    let Object(participant): Object<ParticipantInfo> = read(body)?;
    let sources = participant.sources();
    Ok(UpdatedParticipant { info: participant.into_session().map_err(unreadable)?, sources })
}

fn read_session(body: &[u8]) -> Result<SessionInfo, ApiError> {
    let Object(participant): Object<ParticipantInfo> = read(body)?;
    participant.into_session().map_err(unreadable)
}

fn read<'body, T: Deserialize<'body>>(body: &'body [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| Arc::new(UnreadableList::from(error)).into())
}

fn unreadable(missing: Missing) -> ApiError {
    Arc::new(UnreadableList::from(missing)).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_keeps_what_is_not_changed_and_what_is_not_known() {
        let mut permission = json!({ "hidden": true, "can_subscribe": true, "can_fly": true });
        let update = PermissionUpdate {
            can_publish: Some(true),
            can_publish_sources: Some(vec!["microphone".into(), "screen_share".into()]),
            ..PermissionUpdate::default()
        };
        update.apply(permission.as_object_mut().unwrap());
        assert_eq!(
            permission,
            json!({
                "hidden": true, "can_subscribe": true, "can_fly": true, "can_publish": true,
                "can_publish_sources": ["MICROPHONE", "SCREEN_SHARE"],
            })
        );
    }
}
