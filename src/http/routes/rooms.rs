//! `GET /api/livekit/rooms`: the active rooms with their counts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    hub::Hub,
    json,
    presence::RoomName,
    sse::{Frame, encode_chunk},
};

use crate::http::{
    auth::Client,
    problem::Problem,
    respond::{
        conditional::{etag, is_known},
        kept_answer::{KeptFrame, SlowClient},
    },
    state::Http,
};

/// The list is made anew this long after it was made last, however many ask.
const FRESH: Duration = Duration::from_secs(1);

/// The list of rooms as it was made last. A request that comes while it is being made waits for it.
#[derive(Default)]
pub struct RoomList(Mutex<Option<Made>>);

struct Made {
    at: Instant,
    list: Arc<Encoded>,
}

/// The list, encoded once for all who ask.
struct Encoded {
    frame: Arc<Frame>,
    etag: HeaderValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomBody {
    name: RoomName,
    num_participants: usize,
    /// Whether that is known to be everybody.
    exact: bool,
}

pub(in crate::http) async fn list(
    State(http): State<Http>,
    Extension(connection): Extension<SlowClient>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    client.may_list()?;
    let list = http.room_list.newest(&http.hub).await?;
    let is_known = is_known(&headers, &list.etag);
    let caching = [
        (header::ETAG, list.etag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let json = KeptFrame::whole(Arc::clone(&list.frame)).into_bytes(&http.pinned, &connection)?;
    Ok((caching, [(header::CONTENT_TYPE, "application/json")], Body::from(json)).into_response())
}

impl RoomList {
    async fn newest(&self, hub: &Hub) -> Result<Arc<Encoded>, Problem> {
        let mut made = self.0.lock().await;
        if let Some(made) = made.as_ref().filter(|made| made.at.elapsed() < FRESH) {
            return Ok(Arc::clone(&made.list));
        }
        let at = Instant::now();
        let list = Arc::new(encode(hub).await?);
        // Clients that are slow with the same list share it.
        let before = made.take().map(|made| made.list);
        let list = before.filter(|before| before.etag == list.etag).unwrap_or(list);
        *made = Some(Made { at, list: Arc::clone(&list) });
        Ok(list)
    }
}

async fn encode(hub: &Hub) -> Result<Encoded, Problem> {
    let rooms = hub.rooms().await?.into_iter().map(|room| RoomBody {
        name: room.name,
        num_participants: room.count,
        exact: room.is_complete,
    });
    let mut rooms: Vec<_> = rooms.collect();
    rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let json = json::line(&rooms);
    let digest = Sha256::digest(&json);
    let etag = etag(u64::from_be_bytes(digest[..8].try_into().expect("eight bytes of 32")));
    Ok(Encoded { frame: Arc::new(encode_chunk(|out| out.extend_from_slice(&json))), etag })
}
