//! A browser's EventSource, as far as a test needs one.

use serde_json::Value;

use super::{
    client::{Connection, Head},
    sse::{Event, EventDecoder},
};

/// An open stream.
pub struct Subscriber {
    pub connection: Connection,
    pub head: Head,
    /// The time to reconnect after, in milliseconds, as the service said last.
    pub retry: Option<u64>,
    /// What an EventSource would send as `Last-Event-ID`.
    pub last_id: Option<String>,
    decoder: EventDecoder,
}

impl Subscriber {
    /// Takes over a connection on which a stream was requested.
    pub async fn of(mut connection: Connection) -> Self {
        let head = connection.head().await;
        assert_eq!(head.status(), 200, "{head:?}");
        Self { connection, head, retry: None, last_id: None, decoder: EventDecoder::default() }
    }

    /// The next event, heartbeats included; none at the stream's end.
    pub async fn next_of_any_kind(&mut self) -> Option<Event> {
        loop {
            let block = self.next_block().await?;
            if !block.name.is_empty() {
                return Some(block);
            }
        }
    }

    /// The next message without a name, which is what `onmessage` gets; none at the stream's end.
    pub async fn next_message(&mut self) -> Option<Event> {
        loop {
            let block = self.next_block().await?;
            if block.name == "end" {
                return None;
            }
            if block.name.is_empty() && !block.data.is_empty() {
                return Some(block);
            }
        }
    }

    /// The next block of any kind, also one that is no event; none at the stream's end.
    pub async fn next_block(&mut self) -> Option<Event> {
        loop {
            if let Some(block) = self.decoder.next() {
                self.retry = block.retry.or(self.retry);
                self.last_id = block.id.clone().or(self.last_id.take());
                if let Some(asked) = &self.connection.asked {
                    asked.check_event(&block);
                }
                return Some(block);
            }
            let is_chunked = self.head.get("transfer-encoding") == Some("chunked");
            let more = if is_chunked {
                self.connection.chunk().await
            } else {
                self.connection.more().await
            };
            self.decoder.push(&more?);
        }
    }

    /// The next event other than a heartbeat.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let event = self.next_of_any_kind().await?;
            if event.name != "heartbeat" {
                return Some(event);
            }
        }
    }

    /// The identities in the next list.
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

    /// Reads to the stream's end, which must be orderly, and returns its reason.
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
}

/// The identities in a list.
pub fn identities(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["identity"].as_str().unwrap().to_owned()).collect()
}
