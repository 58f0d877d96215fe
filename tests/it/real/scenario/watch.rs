//! A subscriber of one room for the length of a test: an EventSource that comes back when it is cut off.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use axum::body::Body;
use hyper::Request;
use tokio::{sync::watch, task::JoinHandle};

use crate::harness::{EventStream, wire};

use super::Person;

/// How soon a subscriber that was cut off asks again; the service's own advice would only slow the tests down.
const COME_BACK: Duration = Duration::from_millis(100);

/// What subscribers of a room have been shown.
pub struct Watch {
    seen: watch::Receiver<Seen>,
    running: JoinHandle<()>,
}

#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub frames: Vec<Arc<Frame>>,
    pub is_open: bool,
}

/// One list that came.
#[derive(Debug)]
pub struct Frame {
    pub at: Instant,
    pub wall: SystemTime,
    pub people: Vec<Person>,
}

impl Watch {
    /// Opens the stream of a room, and keeps it open.
    pub fn open(service_port: u16, room: &str) -> Self {
        let (tell, seen) = watch::channel(Seen::default());
        let target = format!("/api/livekit/participants/stream?room={room}");
        let running = tokio::spawn(async move {
            loop {
                // However a stream ends, the subscriber comes back.
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

    /// How many frames have come.
    pub fn frame_count(&self) -> usize {
        self.seen.borrow().frames.len()
    }

    /// Since when the subscriber has been shown exactly these; none where it is not now.
    pub fn right_since(&self, truth: &[Person]) -> Option<Instant> {
        let seen = self.seen.borrow();
        if !seen.is_open {
            return None;
        }
        let right = seen.frames.iter().rev().take_while(|frame| frame.people == truth);
        right.last().map(|frame| frame.at)
    }

    /// Waits until a frame comes, or until the time is over.
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
    let mut events = EventStream::of(wire::ask(port, request).await?.into_body());
    while let Some(event) = events.next().await? {
        if event.name != "participants:update" {
            continue;
        }
        let people = Person::read_all(event.json().as_array().into_iter().flatten());
        let frame = Frame { at: Instant::now(), wall: SystemTime::now(), people };
        tell.send_modify(|seen| {
            seen.is_open = true;
            seen.frames.push(Arc::new(frame));
        });
    }
    Ok(())
}
