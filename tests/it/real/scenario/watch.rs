//! A subscriber of one room for the length of a test, which reconnects when it is cut off, as an EventSource does.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::body::Body;
use hyper::Request;
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use crate::harness::{EventStream, wire};

use super::Person;

/// The wait after a stream ended. The service advises a longer one, which would only slow the tests down.
const COME_BACK: Duration = Duration::from_millis(100);

/// What a subscriber of a room has been shown.
pub struct Watch {
    seen: watch::Receiver<Seen>,
    running: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub frames: Vec<Arc<Frame>>,
    pub is_open: bool,
}

/// A list from the stream.
#[derive(Debug)]
pub struct Frame {
    pub at: Instant,
    pub wall: SystemTime,
    pub people: Vec<Person>,
    /// The same as it came, with what [`Person`] does not compare.
    pub list: Value,
}

impl Watch {
    /// Opens the stream of a room, and keeps it open.
    pub fn open(service_port: u16, room: &str) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let target = format!("/api/livekit/participants/stream?room={room}");
        let running = tokio::spawn(async move {
            loop {
                // The subscriber reconnects, however a stream ends.
                let _ = follow(service_port, &target, &tell).await;
                tell.send_modify(|seen| seen.is_open = false);
                tokio::time::sleep(COME_BACK).await;
            }
        });
        Self { seen, running }
    }

    pub fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// The number of frames so far.
    pub fn frame_count(&self) -> usize {
        self.seen.borrow().frames.len()
    }

    /// Since when the subscriber has been shown exactly these people; none if it is not shown them now.
    pub fn right_since(&self, truth: &[Person]) -> Option<Instant> {
        let seen = self.seen.borrow();
        if !seen.is_open {
            return None;
        }
        let right = seen.frames.iter().rev().take_while(|frame| frame.people == truth);
        right.last().map(|frame| frame.at)
    }

    /// Waits until a frame comes or the time is over.
    pub async fn changed_within(&self, time: Duration) {
        let mut seen = self.seen.clone();
        seen.mark_unchanged();
        let _ = tokio::time::timeout(time, seen.changed()).await;
    }

    /// Waits for a frame after the first `count` that satisfies `wanted`.
    pub async fn frame(
        &self,
        count: usize,
        within: Duration,
        wanted: impl Fn(&Frame) -> bool,
    ) -> Option<Arc<Frame>> {
        let find = |seen: &Seen| seen.frames.iter().skip(count).find(|one| wanted(one)).cloned();
        let mut seen = self.seen.clone();
        let found = seen.wait_for(|seen| find(seen).is_some());
        let found = tokio::time::timeout(within, found).await.ok()?.ok()?;
        find(&found)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn follow(port: u16, target: &str, tell: &watch::Sender<Seen>) -> io::Result<()> {
    let request = Request::get(target).body(Body::empty()).unwrap();
    let mut events = EventStream::of(wire::ask(port, request).await?);
    while let Some(event) = events.next().await? {
        if event.name != "participants:update" {
            continue;
        }
        let (at, wall) = (Instant::now(), SystemTime::now());
        let list = event.json();
        let people = Person::read_all(list.as_array().into_iter().flatten());
        let frame = Frame { at, wall, people, list };
        tell.send_modify(|seen| {
            seen.is_open = true;
            seen.frames.push(Arc::new(frame));
        });
    }
    Ok(())
}
