//! A browser's EventSource, as far as a test needs one.

use std::collections::VecDeque;

use serde_json::Value;

use super::client::{Connection, Head};

/// An open stream.
pub struct Subscriber {
    pub connection: Connection,
    pub head: Head,
    /// When to come back, in milliseconds, as the service said last.
    pub retry: Option<u64>,
    undecoded: Vec<u8>,
    events: VecDeque<Event>,
}

/// One event, as the HTML standard reads it from a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
    pub retry: Option<u64>,
    pub comment: Option<String>,
}

impl Subscriber {
    /// Takes over a connection on which a stream was asked for.
    pub async fn of(mut connection: Connection) -> Self {
        let head = connection.head().await;
        assert_eq!(head.status(), 200, "{head:?}");
        Self { connection, head, retry: None, undecoded: Vec::new(), events: VecDeque::new() }
    }

    /// The next event, heartbeats included; none at the stream's end.
    pub async fn next_of_any_kind(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let is_chunked = self.head.get("transfer-encoding") == Some("chunked");
            let more = if is_chunked {
                self.connection.chunk().await
            } else {
                self.connection.more().await
            };
            self.undecoded.extend(more?);
            self.decode();
        }
    }

    /// The next event that is no heartbeat.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.next_of_any_kind().await?;
            if event.name != "heartbeat" {
                return Some(event);
            }
        }
    }

    /// The next list, by the identities in it.
    pub async fn next_list(&mut self) -> Vec<String> {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, "participants:update", "{event:?}");
        identities(&event.json())
    }

    /// Reads lists until one has exactly these identities.
    pub async fn until_list(&mut self, expected: &[&str]) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            assert_eq!(event.name, "participants:update", "{event:?}");
            if identities(&event.json()) == expected {
                return event;
            }
        }
    }

    /// Reads to the stream's end, which must be an orderly one. Returns its reason.
    pub async fn end(&mut self) -> String {
        loop {
            let event = self.next().await.expect("an end comes before the end");
            if event.name == "end" {
                assert!(event.retry.is_some_and(|retry| (1_000..5_000).contains(&retry)));
                assert_eq!(self.next_of_any_kind().await, None);
                assert!(self.connection.is_closed().await, "nothing follows the end");
                return event.json()["reason"].as_str().unwrap().to_owned();
            }
        }
    }

    fn decode(&mut self) {
        while let Some(end) = self.undecoded.windows(2).position(|pair| pair == b"\n\n") {
            let block: Vec<u8> = self.undecoded.drain(..end + 2).collect();
            let block = String::from_utf8(block).expect("a stream is UTF-8");
            let event = Event::parse(block.trim_end());
            self.retry = event.retry.or(self.retry);
            if !event.name.is_empty() {
                self.events.push_back(event);
            }
        }
    }
}

impl Event {
    pub fn parse(block: &str) -> Self {
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

/// The identities in a list.
pub fn identities(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["identity"].as_str().unwrap().to_owned()).collect()
}
