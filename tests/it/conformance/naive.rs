//! An implementation as it is often written by hand: a webhook route that verifies nothing and keeps a set of identities for each room,
//! and a stream of whole lists.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, RawQuery, State},
    http::StatusCode,
    response::sse::{Event, Sse},
    routing::{get, post},
};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::broadcast};

/// Lists that a subscriber may be behind.
const BACKLOG: usize = 256;

#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<HashMap<String, Room>>>);

struct Room {
    people: Vec<Value>,
    lists: broadcast::Sender<String>,
}

impl Default for Room {
    fn default() -> Self {
        Self { people: Vec::new(), lists: broadcast::Sender::new(BACKLOG) }
    }
}

/// Starts it, and returns its address. It ends with the test.
pub async fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new()
        .route("/webhook", post(webhook))
        .route("/list", get(list))
        .route("/stream", get(stream_of_lists))
        .layer(DefaultBodyLimit::disable())
        .with_state(Rooms::default());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn webhook(State(rooms): State<Rooms>, body: Bytes) -> StatusCode {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let name = event["room"]["name"].as_str().unwrap_or_default().to_owned();
    let mut rooms = rooms.0.lock().unwrap();
    let room = rooms.entry(name).or_default();
    room.apply(&event);
    let _ = room.lists.send(json!(room.people).to_string());
    StatusCode::OK
}

impl Room {
    fn apply(&mut self, event: &Value) {
        let (participant, track) = (&event["participant"], &event["track"]);
        let is_theirs = |one: &Value| one["identity"] == participant["identity"];
        let position = self.people.iter().position(is_theirs);
        match event["event"].as_str().unwrap_or_default() {
            "participant_joined" if position.is_none() => {
                let mut joined = participant.clone();
                joined["tracks"] = json!([]);
                self.people.push(joined);
            }
            "participant_left" => self.people.retain(|one| !is_theirs(one)),
            "track_published" => {
                if let Some(tracks) =
                    position.and_then(|at| self.people[at]["tracks"].as_array_mut())
                {
                    tracks.push(track.clone());
                }
            }
            "track_unpublished" => {
                if let Some(tracks) =
                    position.and_then(|at| self.people[at]["tracks"].as_array_mut())
                {
                    tracks.retain(|one| one["sid"] != track["sid"]);
                }
            }
            "room_finished" => self.people.clear(),
            _ => {}
        }
    }
}

fn room_of(query: Option<String>) -> String {
    let query = query.unwrap_or_default();
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "room").map(|(_, room)| room.into_owned()).unwrap_or_default()
}

async fn list(State(rooms): State<Rooms>, RawQuery(query): RawQuery) -> Json<Value> {
    let rooms = rooms.0.lock().unwrap();
    Json(json!(rooms.get(&room_of(query)).map_or(&Vec::new(), |room| &room.people)))
}

async fn stream_of_lists(
    State(rooms): State<Rooms>,
    RawQuery(query): RawQuery,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut rooms = rooms.0.lock().unwrap();
    let room = rooms.entry(room_of(query)).or_default();
    let first = json!(room.people).to_string();
    let follow =
        stream::unfold((Some(first), room.lists.subscribe()), |(first, mut lists)| async {
            let list = match first {
                Some(first) => first,
                None => lists.recv().await.ok()?,
            };
            Some((Ok(Event::default().data(list)), (None, lists)))
        });
    Sse::new(follow)
}
