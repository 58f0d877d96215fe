//! One message of the feed, encoded at most once, whatever filters it passes.

use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    json,
    presence::{HostTime, RoomName},
    sse::Frame,
    store::{EventSource, FeedEvent, LogId, LoggedEvent},
};

use super::filter::EventFilter;

/// What a message takes beside its data, roughly.
const OVERHEAD_BYTES: usize = 256;

/// A message of the feed, at its place in the log.
#[derive(Debug)]
pub(super) struct Entry {
    /// A subscriber that was sent this one resumes after it.
    pub id: LogId,
    kind: Kind,
    frame: OnceLock<Arc<Frame>>,
}

#[derive(Debug)]
enum Kind {
    Event(Arc<FeedEvent>),
    /// The service lost events before this place.
    Gap {
        at: HostTime,
    },
}

impl Entry {
    pub fn of(logged: LoggedEvent) -> Arc<Self> {
        Self::new(logged.id, Kind::Event(logged.event))
    }

    pub fn gap(id: LogId, at: HostTime) -> Arc<Self> {
        Self::new(id, Kind::Gap { at })
    }

    fn new(id: LogId, kind: Kind) -> Arc<Self> {
        Arc::new(Self { id, kind, frame: OnceLock::new() })
    }

    /// None for a gap, which concerns everybody.
    pub fn event(&self) -> Option<&FeedEvent> {
        match &self.kind {
            Kind::Event(event) => Some(event),
            Kind::Gap { .. } => None,
        }
    }

    pub fn passes(&self, filter: &EventFilter) -> bool {
        self.event().is_none_or(|event| filter.accepts(event))
    }

    /// Its approximate size.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Event(event) => event.data.get().len() + OVERHEAD_BYTES,
            Kind::Gap { .. } => OVERHEAD_BYTES,
        }
    }

    pub fn frame(&self) -> &Arc<Frame> {
        self.frame.get_or_init(|| match &self.kind {
            Kind::Event(event) => {
                let message = LiveKitMessage::of(event);
                Arc::new(Frame::message(&self.id, |out| json::write_line(out, &message)))
            }
            Kind::Gap { at } => Arc::new(system_message("gap", self.id, *at)),
        })
    }
}

/// The events of these entries as one frame.
pub(super) fn join<'entries>(
    mut entries: impl Iterator<Item = &'entries Arc<Entry>> + Clone,
) -> Arc<Frame> {
    let all = entries.clone();
    match (entries.next(), entries.next()) {
        (Some(only), None) => Arc::clone(only.frame()),
        _ => Arc::new(Frame::joined(all.map(|entry| &**entry.frame()))),
    }
}

/// A message of this service about the feed itself.
pub(super) fn system_message(event: &str, id: LogId, at: HostTime) -> Frame {
    let message = SystemMessage { kind: "system", event, timestamp: at.as_millis() };
    Frame::message(&id, |out| json::write_line(out, &message))
}

#[derive(Serialize)]
struct SystemMessage<'message> {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'message str,
    /// In milliseconds, as all times of messages.
    timestamp: u64,
}

#[derive(Serialize)]
struct LiveKitMessage<'event> {
    id: &'event str,
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'event str,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<&'event RoomName>,
    data: &'event RawValue,
    timestamp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'event str>,
}

impl<'event> LiveKitMessage<'event> {
    fn of(event: &'event FeedEvent) -> Self {
        Self {
            id: &event.id,
            kind: "livekit",
            event: &event.name,
            room: event.room.as_ref(),
            data: &event.data,
            timestamp: event.timestamp,
            source: event.source.as_ref().map(EventSource::as_str),
        }
    }
}
