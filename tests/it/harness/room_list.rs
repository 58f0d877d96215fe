//! The list of rooms as a stream of all rooms shows it.

use std::{collections::BTreeMap, io};

use axum::body::Body;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    DEADLINE, Event, Subscriber, follower::COME_BACK, sse::EventStream, waiting::within_deadline,
    wire,
};

/// The list that a stream's events give, folded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShownRooms {
    version: Option<u64>,
    by_name: BTreeMap<String, Value>,
}

impl ShownRooms {
    /// Folds the next event of one stream in. It must fit what came before.
    pub fn take(&mut self, event: &Event) {
        assert_eq!(event.id, None, "{event:?}");
        let data = event.json();
        let by_name = |rooms: &Value| -> Vec<(String, Value)> {
            let rooms = rooms.as_array().expect("rooms").iter();
            rooms.map(|room| (room["name"].as_str().unwrap().to_owned(), room.clone())).collect()
        };
        if event.name == "rooms:snapshot" {
            let rooms = by_name(&data["rooms"]);
            assert!(rooms.is_sorted_by(|a, b| a.0 < b.0), "each once, by name: {data}");
            self.by_name = rooms.into_iter().collect();
        } else {
            assert_eq!(event.name, "rooms:delta");
            assert_eq!(data["prev"].as_u64(), self.version, "it builds on what came before");
            for name in data["gone"].as_array().unwrap() {
                let gone = self.by_name.remove(name.as_str().unwrap());
                assert!(gone.is_some(), "{name} is gone, and was not there");
            }
            for (name, room) in by_name(&data["changed"]) {
                let before = self.by_name.insert(name, room.clone());
                assert_ne!(before.as_ref(), Some(&room), "it has changed");
            }
        }
        let version = data["version"].as_u64().expect("a version");
        assert!(self.version.is_none_or(|before| before < version), "versions rise: {data}");
        self.version = Some(version);
    }

    /// As `GET /rooms` answers.
    pub fn list(&self) -> Value {
        json!(self.by_name.values().collect::<Vec<_>>())
    }

    /// How many participants each room has.
    pub fn counts(&self) -> Vec<(&str, u64)> {
        let count = |room: &Value| room["numParticipants"].as_u64().unwrap();
        self.by_name.iter().map(|(name, room)| (name.as_str(), count(room))).collect()
    }

    /// Reads the stream until the list has these rooms with these counts.
    pub async fn until(&mut self, subscriber: &mut Subscriber, expected: &[(&str, u64)]) {
        while self.counts() != expected {
            let next = within_deadline("the list to be right", subscriber.next()).await;
            self.take(&next.expect("the stream goes on"));
        }
    }
}

/// A subscriber of all rooms at one instance, which reconnects when it is cut off.
pub struct RoomListFollower {
    seen: watch::Receiver<(usize, ShownRooms)>,
    running: JoinHandle<()>,
}

impl RoomListFollower {
    pub fn at(port: u16) -> Self {
        Self::at_any(move || port)
    }

    /// At an instance whose port is another one when it was started again.
    pub fn at_any(port: impl Fn() -> u16 + Send + 'static) -> Self {
        let (tell, seen) = watch::channel((0, ShownRooms::default()));
        let running = tokio::spawn(async move {
            loop {
                let _ = follow(port(), &tell).await;
                tokio::time::sleep(COME_BACK).await;
            }
        });
        Self { seen, running }
    }

    pub fn shown(&self) -> ShownRooms {
        self.seen.borrow().1.clone()
    }

    /// Waits until it shows these rooms with these counts.
    pub async fn until(&self, expected: &[(&str, u64)]) {
        let mut seen = self.seen.clone();
        let shows = seen.wait_for(|(_, shown)| shown.counts() == expected);
        let came = tokio::time::timeout(DEADLINE, shows).await.is_ok_and(|seen| seen.is_ok());
        assert!(came, "{expected:?} is what it should show, and not {:?}", self.shown());
    }

    /// Checks that the events of its streams fitted each other.
    pub fn is_content(&self) {
        assert!(!self.running.is_finished(), "its events did not fit each other");
    }

    /// Checks that its first stream is still open.
    pub fn was_never_cut(&self) {
        self.is_content();
        assert_eq!(self.seen.borrow().0, 1, "streams");
    }
}

impl Drop for RoomListFollower {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn follow(port: u16, tell: &watch::Sender<(usize, ShownRooms)>) -> io::Result<()> {
    let request = Request::get("/api/livekit/rooms/stream?all=true").body(Body::empty()).unwrap();
    let response = wire::ask(port, request).await?;
    if response.status() != StatusCode::OK {
        return Ok(());
    }
    let mut events = EventStream::of(response);
    let mut shown = ShownRooms::default();
    tell.send_modify(|(streams, _)| *streams += 1);
    while let Some(event) = events.next().await? {
        if event.name.starts_with("rooms:") {
            shown.take(&event);
            tell.send_modify(|(_, before)| before.clone_from(&shown));
        }
    }
    Ok(())
}
