//! The list of rooms, encoded once for everybody who asks, and parts of it.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::{
    hub::{Hub, RoomBody},
    json,
    presence::RoomName,
    sse::{Frame, encode_chunk},
};

use super::{extract::rooms_query::RoomsQuery, problem::Problem, respond::conditional::etag};

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
    pub answer: EncodedAnswer,
    /// The rooms in the order of the list, each with the end of its JSON there.
    rooms: Vec<(RoomName, usize)>,
}

/// The body of an answer, and its tag.
#[derive(Clone)]
pub(super) struct EncodedAnswer {
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
        let list = before.filter(|before| before.answer.etag == list.answer.etag).unwrap_or(list);
        *made = Some(Made { at, list: Arc::clone(&list) });
        Ok(list)
    }
}

async fn encode(hub: &Hub) -> Result<EncodedRooms, Problem> {
    let mut rooms: Vec<RoomBody> = hub.rooms().await?.into_iter().map(RoomBody::from).collect();
    rooms.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let mut json = b"[".to_vec();
    let rooms = rooms.into_iter().enumerate().map(|(index, room)| {
        if index > 0 {
            json.push(b',');
        }
        json::write_line(&mut json, &room);
        (room.name, json.len())
    });
    let rooms = rooms.collect();
    json.push(b']');
    Ok(EncodedRooms { answer: EncodedAnswer::of(&json), rooms })
}

impl EncodedRooms {
    /// The part of the list that a query asks for. It is copied from the whole, since its rooms stand there next to each other.
    pub fn part(&self, query: &RoomsQuery) -> EncodedAnswer {
        if query.is_everything() {
            return self.answer.clone();
        }
        let all = self.matching(query);
        let end = query.limit.map_or(all.end, |limit| all.end.min(all.start + limit));
        let rooms = self.json_of(all.start..end);
        if query.limit.is_none() {
            return EncodedAnswer::of(&[b"[", rooms, b"]"].concat());
        }
        let mut json = [b"{\"rooms\":[", rooms, b"]"].concat();
        if end < all.end {
            json.extend_from_slice(b",\"next\":");
            json::write_line(&mut json, &self.rooms[end - 1].0);
        }
        json.push(b'}');
        EncodedAnswer::of(&json)
    }

    /// The rooms that meet a query, on whichever page.
    fn matching(&self, query: &RoomsQuery) -> Range<usize> {
        let prefix = query.prefix.as_deref().unwrap_or_default();
        let first = self.rooms.partition_point(|(name, _)| name.as_str() < prefix);
        let count =
            self.rooms[first..].partition_point(|(name, _)| name.as_str().starts_with(prefix));
        let seen = query
            .after
            .as_deref()
            .map_or(0, |after| self.rooms.partition_point(|(name, _)| name.as_str() <= after));
        let end = first + count;
        seen.clamp(first, end)..end
    }

    /// The JSON of these rooms, with commas between them.
    fn json_of(&self, rooms: Range<usize>) -> &[u8] {
        if rooms.is_empty() {
            return b"";
        }
        // Before the first room stands a bracket, and before each other the comma after the one before it.
        let start = rooms.start.checked_sub(1).map_or(1, |before| self.rooms[before].1 + 1);
        &self.answer.frame.plain()[start..self.rooms[rooms.end - 1].1]
    }
}

impl EncodedAnswer {
    pub fn of(json: &[u8]) -> Self {
        let digest = Sha256::digest(json);
        let etag = etag(u64::from_be_bytes(digest[..8].try_into().expect("eight bytes of 32")));
        Self { frame: Arc::new(encode_chunk(|out| out.extend_from_slice(json))), etag }
    }
}
