//! A page's part in a test: it keeps a stream open, folds what it receives, and notes what no stream may do.

use std::{collections::BTreeMap, io, time::Duration};

use axum::body::Body;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use super::{
    DEADLINE,
    sse::{Event, EventStream},
    wire,
};

/// The wait after a stream ended. The service advises a longer one, which would only slow the tests down.
pub(super) const COME_BACK: Duration = Duration::from_millis(100);

/// A subscriber that reconnects when it is cut off.
pub struct Follower {
    seen: watch::Receiver<Seen>,
    running: JoinHandle<()>,
}

/// What a follower has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Streams that were opened.
    pub connections: usize,
    pub is_open: bool,
    /// What no stream may do.
    pub faults: Vec<String>,
    pub rooms: BTreeMap<String, Shown>,
    /// The smallest list of each room since it had anybody.
    pub fewest: BTreeMap<String, usize>,
}

/// A room as the last event left it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shown {
    pub version: u64,
    /// By sid.
    pub people: BTreeMap<String, Value>,
}

impl Follower {
    /// Follows the lists of a room at this port.
    pub fn of_room(port: u16, room: &str) -> Self {
        let target = format!("/api/livekit/participants/stream?room={room}");
        Self::open(port, target, room)
    }

    /// Follows the changes in several rooms on one connection.
    pub fn of_rooms(port: u16, rooms: &[&str]) -> Self {
        let target = format!("/api/livekit/rooms/stream?room={}", rooms.join("&room="));
        Self::open(port, target, "")
    }

    fn open(port: u16, target: String, room: &str) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let room = room.to_owned();
        let running = tokio::spawn(async move {
            loop {
                // The page reconnects, however a stream ends.
                let _ = follow(port, &target, &room, &tell).await;
                tell.send_modify(|seen| seen.is_open = false);
                tokio::time::sleep(COME_BACK).await;
            }
        });
        Self { seen, running }
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    pub fn shown(&self, room: &str) -> Shown {
        self.seen.borrow().shown(room)
    }

    /// Waits until what it has seen satisfies a condition.
    pub async fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        self.within(DEADLINE, what, holds).await;
    }

    pub async fn within(&self, time: Duration, what: &str, holds: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        let came = tokio::time::timeout(time, seen.wait_for(|seen| holds(seen))).await.is_ok();
        assert!(came, "waited {time:?} for {what}; saw {:#?}", self.seen());
    }

    /// Waits until the open stream shows exactly these people, in the order of their names.
    pub async fn until_people(&self, room: &str, expected: &[&str]) {
        let shows = |seen: &Seen| seen.is_open && seen.shown(room).identities() == expected;
        self.until(&format!("{expected:?} in {room}"), shows).await;
    }

    /// Checks that its streams did nothing that no stream may do.
    pub fn is_content(&self) {
        let faults = &self.seen.borrow().faults;
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Checks that its first stream is still open.
    pub fn was_never_cut(&self) {
        self.is_content();
        let seen = self.seen.borrow();
        assert!(seen.is_open && seen.connections == 1, "the stream did not stay open: {seen:#?}");
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Seen {
    pub fn shown(&self, room: &str) -> Shown {
        self.rooms.get(room).cloned().unwrap_or_default()
    }

    /// Folds an event in. `versions` has what came on this connection, by room.
    fn take(&mut self, event: &Event, room: &str, versions: &mut BTreeMap<String, u64>) {
        let data = match event.name.as_str() {
            "participants:update" | "room:snapshot" | "room:delta" => event.json(),
            "" | "heartbeat" | "end" => return,
            other => return self.faults.push(format!("an unknown event {other}")),
        };
        let (room, version) = match event.name.as_str() {
            "participants:update" => (room.to_owned(), event.version()),
            _ => (data["room"].as_str().unwrap().to_owned(), data["version"].as_u64().unwrap()),
        };
        let before = versions.insert(room.clone(), version);
        if before.is_some_and(|before| version <= before) {
            self.faults.push(format!("{room}: version {version} came after {before:?}"));
        }
        let shown = self.rooms.entry(room.clone()).or_default();
        shown.version = version;
        let faults = match event.name.as_str() {
            "participants:update" => shown.replace(&data),
            "room:snapshot" => shown.replace(&data["participants"]),
            _ if data["prev"].as_u64() != before => {
                vec![format!("a change of {}, but {before:?} is what came", data["prev"])]
            }
            _ => shown.change(&data),
        };
        let count = shown.people.len();
        if count > 0 || self.fewest.contains_key(&room) {
            let fewest = self.fewest.entry(room.clone()).or_insert(count);
            *fewest = count.min(*fewest);
        }
        let at = |fault: String| format!("{room} at {version}: {fault}");
        self.faults.extend(faults.into_iter().map(at));
    }
}

impl Shown {
    pub fn identities(&self) -> Vec<&str> {
        let mut all: Vec<_> =
            self.people.values().map(|one| one["identity"].as_str().unwrap()).collect();
        all.sort_unstable();
        all
    }

    fn replace(&mut self, list: &Value) -> Vec<String> {
        self.people = by_sid(list).collect();
        Vec::new()
    }

    /// Applies a change, and returns where it does not fit the list.
    fn change(&mut self, delta: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        for (sid, _) in by_sid(&delta["left"]) {
            if self.people.remove(&sid).is_none() {
                faults.push(format!("{sid} left, and was not there"));
            }
        }
        for (sid, person) in by_sid(&delta["joined"]) {
            if self.people.insert(sid.clone(), person).is_some() {
                faults.push(format!("{sid} joined, and was there"));
            }
        }
        for (sid, person) in by_sid(&delta["updated"]) {
            if self.people.insert(sid.clone(), person).is_none() {
                faults.push(format!("{sid} changed, and was not there"));
            }
        }
        faults
    }
}

fn by_sid(list: &Value) -> impl Iterator<Item = (String, Value)> {
    let people = list.as_array().expect("a list").iter();
    people.map(|one| (one["sid"].as_str().expect("a sid").to_owned(), one.clone()))
}

async fn follow(port: u16, target: &str, room: &str, tell: &watch::Sender<Seen>) -> io::Result<()> {
    let mut request = Request::get(target);
    let version = tell.borrow().shown(room).version;
    if version > 0 {
        request = request.header("last-event-id", version);
    }
    let response = wire::ask(port, request.body(Body::empty()).unwrap()).await?;
    if response.status() != StatusCode::OK {
        return Ok(());
    }
    let mut events = EventStream::of(response);
    let mut versions = BTreeMap::new();
    tell.send_modify(|seen| {
        seen.connections += 1;
        seen.is_open = true;
    });
    while let Some(event) = events.next().await? {
        tell.send_modify(|seen| seen.take(&event, room, &mut versions));
    }
    Ok(())
}
