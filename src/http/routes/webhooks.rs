//! `GET /api/livekit/webhooks[/{id}]`: the last webhooks of this instance.

use axum::{
    Json,
    body::Bytes,
    extract::{RawQuery, State},
    response::Response,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    http::{
        auth::Client,
        extract::{
            in_path::TextInPath,
            query::{limit, single},
        },
        problem::Problem,
        respond::conditional::{KnownTags, etag, json_unless_known},
        state::{Http, HttpState},
    },
    json,
    webhook_log::{MAX_BODY_BYTES, Numbered, Page, Refused},
};

/// Webhooks of a page, where the request does not say it.
const DEFAULT_LIMIT: usize = 100;

#[derive(Serialize)]
struct ShownPage<'page> {
    webhooks: &'page [Numbered],
    /// The `before` of the next page.
    next: Option<&'page str>,
    /// What strangers sent; on the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Vec<Refused>>,
}

/// A webhook with its body.
#[derive(Serialize)]
pub(in crate::http) struct ShownEntry {
    #[serde(flatten)]
    entry: Numbered,
    body: Option<Value>,
    /// Why there is no body.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(in crate::http) async fn list(
    State(http): State<Http>,
    client: Client,
    known: KnownTags,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    client.may_look_inside()?;
    let query = query.unwrap_or_default();
    let before = single(&query, "before")?;
    let limit = limit(&query)?.unwrap_or(DEFAULT_LIMIT);
    let page =
        http.observed.webhook_log.page(before.as_deref(), limit).ok_or_else(no_longer_kept)?;
    let is_first = before.is_none();
    let tag = etag(format_args!("{}-{limit}-{}", page.state, before.unwrap_or_default()));
    json_unless_known(&known, tag, || Ok(encoded(page, is_first)))
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    TextInPath(id): TextInPath,
) -> Result<Json<ShownEntry>, Problem> {
    client.may_look_inside()?;
    let entry = find(&http, &id)?;
    let body = entry.entry.shown_body();
    let note = body.is_none().then(not_kept);
    Ok(Json(ShownEntry { entry, body, note }))
}

fn encoded(page: Page, is_first: bool) -> Bytes {
    let next = page.entries.last().filter(|_| page.has_more).map(|entry| entry.id.as_str());
    let refused = is_first.then_some(page.refused);
    json::line(&ShownPage { webhooks: &page.entries, next, refused }).into()
}

/// A webhook that the path names.
pub(in crate::http) fn find(http: &HttpState, id: &str) -> Result<Numbered, Problem> {
    http.observed.webhook_log.entry(id).ok_or_else(no_longer_kept)
}

/// Why a webhook has no body here.
pub(in crate::http) fn not_kept() -> String {
    format!(
        "the body is not kept: it has more than {MAX_BODY_BYTES} bytes, could not be read as a webhook, or did not arrive"
    )
}

fn no_longer_kept() -> Problem {
    Problem::absent(
        "this webhook is not kept here any more, or another instance has it; leave out `before` to begin again",
    )
}
