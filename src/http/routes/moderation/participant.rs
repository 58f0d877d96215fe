//! `PATCH …/rooms/{room}/participants/{identity}` changes somebody, `DELETE` removes them.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde::Deserialize;

use crate::{
    http::{
        auth::Moderator,
        extract::{in_path::PersonInPath, json_body::JsonBody, query},
        problem::Problem,
        state::Http,
    },
    livekit::{ParticipantUpdate, PermissionUpdate},
    presence::TrackSource,
};

use super::{super::roster::note_rights, moderation, shown};

/// LiveKit's names of track sources.
const SOURCES: [&str; 4] = ["camera", "microphone", "screen_share", "screen_share_audio"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::http) struct Changes {
    permission: Option<PermissionChanges>,
    name: Option<String>,
    metadata: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, Option<String>>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PermissionChanges {
    can_publish: Option<bool>,
    can_subscribe: Option<bool>,
    can_publish_data: Option<bool>,
    can_publish_sources: Option<Vec<String>>,
    can_update_metadata: Option<bool>,
}

pub(in crate::http) async fn change(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    JsonBody(changes): JsonBody<Changes>,
) -> Result<Response, Problem> {
    let update = changes.check()?;
    let changes_sources = update.permission.as_ref().is_some_and(changes_sources);
    let updated = moderation(&http)?.update(&room, &identity, update, &by).await?;
    if changes_sources && updated.participant.is_some() {
        let may = |source| updated.may_publish(source);
        let (can_speak, can_video) = (may(TrackSource::Microphone), may(TrackSource::Camera));
        note_rights(&http, &room, &identity, can_speak, can_video).await?;
    }
    Ok(shown(updated.participant.as_ref()))
}

pub(in crate::http) async fn remove(
    State(http): State<Http>,
    Moderator { room, by }: Moderator,
    PersonInPath(identity): PersonInPath,
    uri: Uri,
) -> Result<StatusCode, Problem> {
    let revokes = revokes(uri.query().unwrap_or_default())?;
    moderation(&http)?.remove(&room, &identity, revokes, &by).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether a change says what somebody may publish from now on.
fn changes_sources(permission: &PermissionUpdate) -> bool {
    permission.can_publish.is_some() || permission.can_publish_sources.is_some()
}

impl Changes {
    /// What LiveKit is asked for. It leaves an empty name or metadata as it is, so that these cannot be emptied.
    fn check(self) -> Result<ParticipantUpdate, Problem> {
        let Self { permission, name, metadata, attributes } = self;
        for (field, value) in [("name", &name), ("metadata", &metadata)] {
            if value.as_ref().is_some_and(String::is_empty) {
                return Err(Problem::bad_request(format!(
                    "LiveKit does not empty `{field}`; send another text, or leave the field out"
                )));
            }
        }
        let permission =
            permission.filter(|permission| *permission != PermissionChanges::default());
        let update = ParticipantUpdate {
            permission: permission.map(PermissionChanges::check).transpose()?,
            name,
            metadata,
            attributes: attributes
                .into_iter()
                .map(|(key, value)| (key, value.unwrap_or_default()))
                .collect(),
        };
        if update == ParticipantUpdate::default() {
            return Err(Problem::bad_request(
                "there is nothing to change; send `permission`, `name`, `metadata` or `attributes`",
            ));
        }
        Ok(update)
    }
}

impl PermissionChanges {
    fn check(self) -> Result<PermissionUpdate, Problem> {
        let unknown = |source: &&String| !SOURCES.contains(&source.as_str());
        if let Some(source) = self.can_publish_sources.iter().flatten().find(unknown) {
            return Err(Problem::bad_request(format!(
                "`canPublishSources` has {source:?}; the sources are {}",
                SOURCES.join(", ")
            )));
        }
        Ok(PermissionUpdate {
            can_publish: self.can_publish,
            can_subscribe: self.can_subscribe,
            can_publish_data: self.can_publish_data,
            can_publish_sources: self.can_publish_sources,
            can_update_metadata: self.can_update_metadata,
        })
    }
}

fn revokes(text: &str) -> Result<bool, Problem> {
    match query::values(text, "revoke").next() {
        None => Ok(false),
        Some(value) => match value.as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) | None => Err(Problem::bad_request("`revoke` is `true` or `false`")),
        },
    }
}
