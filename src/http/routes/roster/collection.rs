//! `GET`, `PUT`, `PATCH` and `DELETE /api/livekit/rooms/{room}/roster`: everybody in a roster.

use std::collections::HashSet;

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};

use crate::{
    blocking,
    http::{
        auth::{Client, Moderator},
        extract::{
            in_path::RoomInPath,
            json_body::JsonCollection,
            query::{limit, single},
        },
        limits::{client_address::ClientAddress, turns::Asker},
        problem::Problem,
        respond::table::json_answer,
        state::Http,
    },
    hub::RosterTotals,
    presence::RoomName,
    roster::{CollectionEdit, RosterEdit, RosterEntry, RosterView},
};

use super::{apply, roster};

#[derive(Serialize)]
struct Answer {
    room: RoomName,
    #[serde(flatten)]
    totals: RosterTotals,
    entries: Vec<RosterEntry>,
    /// What `after` takes, if there is more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The body of a change of everybody.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Collection {
    entries: Vec<NamedEdit>,
}

/// As [`RosterEdit`], with whom it is about. Flattening would let unknown fields through.
#[derive(Deserialize)]
#[serde(try_from = "serde_json::Map<String, serde_json::Value>")]
struct NamedEdit {
    identity: String,
    edit: RosterEdit,
}

impl TryFrom<serde_json::Map<String, serde_json::Value>> for NamedEdit {
    type Error = String;

    fn try_from(mut map: serde_json::Map<String, serde_json::Value>) -> Result<Self, String> {
        let Some(serde_json::Value::String(identity)) = map.remove("identity") else {
            return Err("each entry needs an `identity`, a text".to_owned());
        };
        let edit = serde_json::from_value(map.into()).map_err(|error| error.to_string())?;
        Ok(Self { identity, edit })
    }
}

pub(in crate::http) async fn list(
    State(http): State<Http>,
    client: Client,
    RoomInPath(room): RoomInPath,
    address: ClientAddress,
    uri: Uri,
) -> Result<Response, Problem> {
    client.may_read(&room)?;
    let roster = roster(&http)?;
    let query = uri.query().unwrap_or_default();
    let (limit, after) = (limit(query)?, single(query, "after")?);
    let asker = client.identity().map_or(Asker::Address(address), Asker::Identity);
    let _turn = http.limits.take_turn(asker).await?;
    let view = roster.read(&room).await?;
    Ok(blocking::run(move || json_answer(&page(room, &view, limit, after))).await)
}

pub(in crate::http) async fn put(
    State(http): State<Http>,
    moderator: Moderator,
    JsonCollection(collection): JsonCollection<Collection>,
) -> Result<Response, Problem> {
    change(&http, &moderator, collection.into_edit()?, false).await
}

pub(in crate::http) async fn patch(
    State(http): State<Http>,
    moderator: Moderator,
    JsonCollection(collection): JsonCollection<Collection>,
) -> Result<Response, Problem> {
    change(&http, &moderator, collection.into_edit()?, true).await
}

pub(in crate::http) async fn empty(
    State(http): State<Http>,
    moderator: Moderator,
) -> Result<Response, Problem> {
    change(&http, &moderator, CollectionEdit::default(), false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change(
    http: &Http,
    Moderator { room, by }: &Moderator,
    edit: CollectionEdit,
    merges: bool,
) -> Result<Response, Problem> {
    let (view, edited) = roster(http)?.change_all(room, edit, merges).await?;
    apply(http, room, &edited, by).await?;
    Ok(blocking::run(move || json_answer(&totals(&view.entries()))).await)
}

impl Collection {
    fn into_edit(self) -> Result<CollectionEdit, Problem> {
        let mut named = HashSet::new();
        for NamedEdit { identity, .. } in &self.entries {
            if !named.insert(identity) {
                return Err(Problem::bad_request(format!(
                    "{identity:?} is named twice; name everybody once"
                )));
            }
        }
        let edit = |NamedEdit { identity, edit }| (identity, edit);
        Ok(CollectionEdit { entries: self.entries.into_iter().map(edit).collect() })
    }
}

fn totals(entries: &[RosterEntry]) -> RosterTotals {
    let online_count = entries.iter().filter(|entry| entry.is_online()).count();
    RosterTotals { online_count, total_count: entries.len() }
}

fn page(room: RoomName, view: &RosterView, limit: Option<usize>, after: Option<String>) -> Answer {
    let mut entries = view.entries();
    let totals = totals(&entries);
    if let Some(after) = after {
        entries.retain(|entry| entry.identity > after);
    }
    let next = limit.filter(|limit| entries.len() > *limit).map(|limit| {
        entries.truncate(limit);
        entries[limit - 1].identity.clone()
    });
    Answer { room, totals, entries, next }
}
