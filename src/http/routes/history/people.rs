//! `GET /api/livekit/people/{identity}`: where somebody is, and was. `DELETE …/history` erases that.

use std::{cmp::Reverse, collections::HashSet};

use axum::{extract::State, response::Response};
use serde::Serialize;
use tracing::warn;

use crate::{
    blocking,
    error_chain::Chain,
    history::{Csv, Reader, ReadingError, Rfc3339, SessionInRange, SessionRow, TimeRange},
    http::{
        auth::{Client, Eraser},
        extract::{
            history_query::{Format, HistoryQuery},
            in_path::TextInPath,
        },
        limits::client_address::ClientAddress,
        problem::Problem,
        respond::table::{csv_answer, json_answer},
        state::{Http, HttpState},
    },
    presence::{Identity, Media, ParticipantKind, ParticipantSid, RoomName},
    store::StoreError,
};

use super::{history, next_of, reader, text_of};

/// Rooms that are looked into for where somebody is now, besides those that the history names.
const MAX_OTHER_ROOMS: usize = 20;

#[derive(Serialize)]
struct Whereabouts<'answer> {
    identity: &'answer str,
    name: String,
    /// None where that cannot be said at the moment.
    now: Option<Vec<Inside>>,
    sessions: Vec<SessionInRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// One room that the person is in, with one device.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Inside {
    room: RoomName,
    sid: ParticipantSid,
    #[serde(skip)]
    name: String,
    joined_at: Rfc3339,
    joined_at_ms: i64,
    kind: ParticipantKind,
    #[serde(flatten)]
    media: Sent,
}

#[derive(Serialize)]
struct Sent {
    microphone: bool,
    camera: bool,
    screen: bool,
}

#[derive(Serialize)]
struct SessionInRoom {
    room: String,
    #[serde(flatten)]
    session: SessionInRange,
}

#[derive(Serialize)]
struct Erased {
    sessions: u64,
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    client: Client,
    address: ClientAddress,
    TextInPath(identity): TextInPath,
    query: HistoryQuery,
) -> Result<Response, Problem> {
    client.may_read_history()?;
    let reader = reader(&http, &client, address).await?;
    let question = ["person", &*identity];
    let (range, cursor) = query.page(&question)?;
    let after = cursor.as_ref().map(|cursor| &cursor.after);
    let page = reader.sessions_of_person(&identity, &range, after, query.limit).await?;
    let next = next_of(&page, &question, &range);
    let rows = page.entries;
    if query.format == Format::Csv {
        let answer = move || csv_answer("person", csv_of(&rows, &range), next.as_ref());
        return Ok(blocking::run(answer).await);
    }
    let now = now_of(&http, &reader, &identity, cursor.is_none()).await?;
    let answer = move || {
        let inside = now.iter().flatten().map(|inside| &inside.name);
        let name = inside.chain(rows.iter().map(|row| &row.name)).find(|name| !name.is_empty());
        json_answer(&Whereabouts {
            identity: &identity,
            name: name.cloned().unwrap_or_default(),
            sessions: rows.iter().map(|row| SessionInRoom::of(row, &range)).collect(),
            now,
            next: text_of(next.as_ref()),
        })
    };
    Ok(blocking::run(answer).await)
}

pub(in crate::http) async fn erase(
    State(http): State<Http>,
    _: Eraser,
    TextInPath(identity): TextInPath,
) -> Result<Response, Problem> {
    let erased = history(&http)?.erase(&identity).await;
    let sessions = erased.map_err(ReadingError::from)?;
    Ok(json_answer(&Erased { sessions }))
}

/// Where somebody is, as the lists of rooms say. None if the store does not answer: it may be away while the database is not.
async fn now_of(
    http: &HttpState,
    reader: &Reader,
    identity: &str,
    is_first_page: bool,
) -> Result<Option<Vec<Inside>>, Problem> {
    let open = reader.open_sessions_of(identity).await?;
    let likely = open.iter().filter_map(|row| RoomName::parse(&row.room).ok()).collect();
    match inside_now(http, likely, identity, is_first_page).await {
        Ok(inside) => Ok(Some(inside)),
        Err(error) => {
            warn!(error = %Chain(&error), "cannot say in which rooms a person is now");
            Ok(None)
        }
    }
}

/// The rooms that the history names; on the first page some others, if nobody is in these.
async fn inside_now(
    http: &HttpState,
    likely: HashSet<RoomName>,
    identity: &str,
    is_first_page: bool,
) -> Result<Vec<Inside>, StoreError> {
    let identity = Identity::new(identity);
    let mut inside = Vec::new();
    for room in &likely {
        inside.extend(inside_room(http, room, &identity).await?);
    }
    if inside.is_empty() && is_first_page {
        let others = http.store.rooms().await?.into_iter().map(|room| room.name);
        let others = others.filter(|room| !likely.contains(room));
        for room in others.take(MAX_OTHER_ROOMS) {
            inside.extend(inside_room(http, &room, &identity).await?);
        }
    }
    inside.sort_by_key(|one| Reverse(one.joined_at_ms));
    Ok(inside)
}

async fn inside_room(
    http: &HttpState,
    room: &RoomName,
    identity: &Identity,
) -> Result<Option<Inside>, StoreError> {
    let stored = http.store.read(room).await?;
    let participant = stored.and_then(|stored| stored.shown(identity));
    Ok(participant.map(|participant| {
        let Media { microphone, camera, screen } = Media::of(&participant);
        let joined_at = participant.joined_at.as_millis();
        Inside {
            room: room.clone(),
            sid: participant.sid.clone(),
            name: participant.profile.name.clone(),
            joined_at: Rfc3339(joined_at),
            joined_at_ms: joined_at,
            kind: participant.profile.kind.clone(),
            media: Sent { microphone, camera, screen },
        }
    }))
}

impl SessionInRoom {
    fn of(row: &SessionRow, range: &TimeRange) -> Self {
        Self { room: row.room.clone(), session: SessionInRange::of(row, range) }
    }
}

fn csv_of(rows: &[SessionRow], range: &TimeRange) -> Csv {
    let mut csv = Csv::with_columns(&[&["room"][..], &SessionInRange::COLUMNS].concat());
    for row in rows {
        csv.text(&row.room);
        SessionInRange::of(row, range).write_csv(&mut csv, range.now);
        csv.end_row();
    }
    csv
}
