//! A dashboard's part in a test: it keeps a feed of events open as an EventSource does, and notes all messages.

use std::{io, time::Duration};

use axum::body::Body;
use hyper::{Request, StatusCode};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle};

use super::{DEADLINE, sse::EventStream, wire};

/// The wait after a feed ended. The service advises a longer one, which would only slow the tests down.
const COME_BACK: Duration = Duration::from_millis(100);

/// A subscriber of the feed that comes back with the last id when it is cut off.
pub struct FeedFollower {
    seen: watch::Receiver<SeenEvents>,
    running: JoinHandle<()>,
}

/// What a follower of the feed has seen so far.
#[derive(Clone, Debug, Default)]
pub struct SeenEvents {
    /// Feeds that were opened.
    pub connections: usize,
    last_id: Option<String>,
    /// LiveKit's events, in the order in which they came.
    pub events: Vec<Value>,
    pub gaps: usize,
}

impl FeedFollower {
    /// Follows the events of the service at this port.
    pub fn of(port: u16, parameters: &str) -> Self {
        Self::start(port, parameters, None)
    }

    /// Goes on after the event with this id.
    pub fn after(port: u16, parameters: &str, last_id: &str) -> Self {
        Self::start(port, parameters, Some(last_id.to_owned()))
    }

    fn start(port: u16, parameters: &str, last_id: Option<String>) -> Self {
        let (tell, seen) = watch::channel(SeenEvents { last_id, ..SeenEvents::default() });
        let target = format!("/api/events{parameters}");
        let running = tokio::spawn(async move {
            loop {
                let _ = follow(port, &target, &tell).await;
                tokio::time::sleep(COME_BACK).await;
            }
        });
        Self { seen, running }
    }

    pub fn seen(&self) -> SeenEvents {
        self.seen.borrow().clone()
    }

    /// Waits until what it has seen satisfies a condition.
    pub async fn until(&self, what: &str, holds: impl Fn(&SeenEvents) -> bool) {
        let mut seen = self.seen.clone();
        let came = tokio::time::timeout(DEADLINE, seen.wait_for(|seen| holds(seen))).await.is_ok();
        let seen = self.seen();
        let (count, connections, gaps) = (seen.events.len(), seen.connections, seen.gaps);
        assert!(came, "waited for {what}; saw {count} events, {connections} feeds, {gaps} gaps");
    }
}

impl SeenEvents {
    /// What an EventSource would send as `Last-Event-ID`.
    pub fn last_id(&self) -> &str {
        self.last_id.as_deref().expect("every feed begins with an id")
    }
}

impl Drop for FeedFollower {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn follow(port: u16, target: &str, tell: &watch::Sender<SeenEvents>) -> io::Result<()> {
    let mut request = Request::get(target);
    if let Some(id) = &tell.borrow().last_id {
        request = request.header("last-event-id", id);
    }
    let response = wire::ask(port, request.body(Body::empty()).unwrap()).await?;
    if response.status() != StatusCode::OK {
        return Ok(());
    }
    let mut blocks = EventStream::of(response);
    tell.send_modify(|seen| seen.connections += 1);
    while let Some(block) = blocks.next().await? {
        tell.send_modify(|seen| {
            seen.last_id = block.id.clone().or(seen.last_id.take());
            if !block.name.is_empty() || block.data.is_empty() {
                return;
            }
            let message = block.json();
            match message["type"].as_str() {
                Some("livekit") => seen.events.push(message),
                _ if message["event"] == "gap" => seen.gaps += 1,
                _ => assert_eq!(message["event"], "connected"),
            }
        });
    }
    Ok(())
}
