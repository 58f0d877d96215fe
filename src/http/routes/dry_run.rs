//! `POST /api/livekit/webhooks/{id}/dry-run`: what a webhook would do to its room now. Reads the room, applies the rules to a copy of
//! it, and changes nothing.

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    http::{auth::Client, extract::in_path::TextInPath, problem::Problem, state::Http},
    livekit::VerifiedWebhook,
    presence::{Applied, Event, Room, Rules, StoreTime},
    webhook_log::Changed,
};

use super::webhooks::{find, not_kept};

/// What a webhook would do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct DryRun {
    /// What would become of it if it came now with an id of its own.
    outcome: &'static str,
    changed: Option<Changed>,
    /// Whether the room remembers its id: if LiveKit repeated it, nothing would happen.
    already_applied: bool,
    /// Whether the store holds the room.
    room_known: bool,
    /// Whether parts of its body were not kept, so that they seem to differ.
    body_was_cut: bool,
}

pub(in crate::http) async fn play(
    State(http): State<Http>,
    client: Client,
    TextInPath(id): TextInPath,
) -> Result<Json<DryRun>, Problem> {
    client.may_look_inside()?;
    let entry = find(&http, &id)?.entry;
    let (body, body_was_cut) = entry.played_body().ok_or_else(|| Problem::conflict(not_kept()))?;
    let webhook = VerifiedWebhook::kept(body).parse(http.clock.now());
    let webhook = webhook.map_err(|error| Problem::conflict(error.to_string()))?;
    let Some(event) = webhook.event else {
        return Ok(Json(DryRun {
            outcome: "ignored",
            changed: None,
            already_applied: false,
            room_known: false,
            body_was_cut,
        }));
    };
    let (room, now) = (http.store.read(&event.room).await?, http.store.now().await?);
    Ok(Json(DryRun { body_was_cut, ..tried(room.as_deref(), event, now) }))
}

/// Applies an event to a copy of the room.
fn tried(room: Option<&Room>, mut event: Event, now: StoreTime) -> DryRun {
    let copy = || room.cloned().unwrap_or_default();
    let rules = Rules::default();
    let already_applied = copy().apply(&event, now, &rules).is_duplicate();
    event.id = None;
    let (applied, is_of_banned) = copy().apply(&event, now, &rules).apart_from_ban();
    let outcome = match &applied {
        Applied::Changed(_) => "changed",
        Applied::Unchanged | Applied::OfBanned(_) if is_of_banned => "banned",
        Applied::Unchanged | Applied::OfBanned(_) => "unchanged",
        Applied::Unexpected => "unexpected",
        Applied::Duplicate => "duplicate",
    };
    DryRun {
        outcome,
        changed: applied.change().map(Changed::of),
        already_applied,
        room_known: room.is_some(),
        body_was_cut: false,
    }
}
