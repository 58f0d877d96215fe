//! Server-sent events, read from a stream as the HTML standard says. Every client of the tests reads them with this.

use std::io;

use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use serde_json::Value;

use super::openapi::Asked;

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty for a block that names none, such as `retry:` alone.
    pub name: String,
    pub id: Option<String>,
    pub data: String,
    pub retry: Option<u64>,
    pub comment: Option<String>,
}

impl Event {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').expect("a field");
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => event.comment = Some(value.into()),
                "event" => event.name = value.into(),
                "id" => event.id = Some(value.into()),
                "data" => event.data.push_str(value),
                "retry" => event.retry = Some(value.parse().unwrap()),
                other => panic!("unknown field {other}"),
            }
        }
        event
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn version(&self) -> u64 {
        self.id.as_ref().expect("it has an id").parse().unwrap()
    }
}

/// Splits the bytes of a stream into events. As an iterator it gives those that have arrived whole.
#[derive(Default)]
pub struct EventDecoder {
    received: Vec<u8>,
}

impl EventDecoder {
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }
}

impl Iterator for EventDecoder {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        let end = self.received.windows(2).position(|pair| pair == b"\n\n")?;
        let block: Vec<u8> = self.received.drain(..end + 2).collect();
        let block = String::from_utf8(block).expect("a stream is UTF-8");
        Some(Event::parse(block.trim_end()))
    }
}

/// The events in the body of an answer.
pub struct EventStream {
    body: Incoming,
    decoder: EventDecoder,
    asked: Option<Asked>,
}

impl EventStream {
    /// The events in an answer of [`ask`](super::wire::ask).
    pub fn of(mut response: Response<Incoming>) -> Self {
        let asked = response.extensions_mut().remove();
        Self { body: response.into_body(), decoder: EventDecoder::default(), asked }
    }

    /// The next event, whatever its name; none at the stream's end.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            if let Some(event) = self.decoder.next() {
                if let Some(asked) = &self.asked {
                    asked.check_event(&event);
                }
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(io::Error::other)?;
            self.decoder.push(&frame.into_data().unwrap_or_default());
        }
    }
}
