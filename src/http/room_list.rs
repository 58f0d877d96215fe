//! The list of rooms, encoded once for everybody who asks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    hub::{Hub, RoomBody},
    json,
    sse::{Frame, encode_chunk},
};

use super::{problem::Problem, respond::conditional::etag};

/// The list is built at most once in this time. All requests in between get the same one.
const FRESH: Duration = Duration::from_secs(1);

/// The list of rooms as it was made last. A request that comes while the list is being made waits for it.
#[derive(Default)]
pub struct RoomList(Mutex<Option<Made>>);

struct Made {
    at: Instant,
    list: Arc<EncodedRooms>,
}

/// The list, encoded once for all clients.
pub(super) struct EncodedRooms {
    pub frame: Arc<Frame>,
    pub etag: HeaderValue,
}

impl RoomList {
    pub(super) async fn newest(&self, hub: &Hub) -> Result<Arc<EncodedRooms>, Problem> {
        let mut made = self.0.lock().await;
        if let Some(made) = made.as_ref().filter(|made| made.at.elapsed() < FRESH) {
            return Ok(Arc::clone(&made.list));
        }
        let at = Instant::now();
        let list = Arc::new(encode(hub).await?);
        // Slow clients that take an equal list share its memory.
        let before = made.take().map(|made| made.list);
        let list = before.filter(|before| before.etag == list.etag).unwrap_or(list);
        *made = Some(Made { at, list: Arc::clone(&list) });
        Ok(list)
    }
}

async fn encode(hub: &Hub) -> Result<EncodedRooms, Problem> {
    let mut rooms: Vec<RoomBody> = hub.rooms().await?.into_iter().map(RoomBody::from).collect();
    rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let json = json::line(&rooms);
    let digest = Sha256::digest(&json);
    let etag = etag(u64::from_be_bytes(digest[..8].try_into().expect("eight bytes of 32")));
    Ok(EncodedRooms { frame: Arc::new(encode_chunk(|out| out.extend_from_slice(&json))), etag })
}
