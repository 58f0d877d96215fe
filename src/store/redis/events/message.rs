//! What is published when events are logged: the position before them, and each with its own.

use std::sync::Arc;

use serde::Deserialize;

use crate::store::{
    FeedEvent, LogId, LoggedEvent,
    events::{Batch, Item},
};

#[derive(Deserialize)]
struct Message {
    prev: LogId,
    items: Vec<(LogId, Option<FeedEvent>)>,
}

/// The batch of a message; none if it is not ours.
pub(super) fn batch(message: &[u8]) -> Option<Batch> {
    let Message { prev, items } = serde_json::from_slice(message).ok()?;
    let mut before = prev;
    let items = items.into_iter().map(|(id, event)| {
        let prev = std::mem::replace(&mut before, id);
        item(id, prev, event)
    });
    Some(Batch { prev, items: items.collect() })
}

/// What the log holds at a position; a gap where there is no event.
pub(super) fn item(id: LogId, prev: LogId, event: Option<FeedEvent>) -> Item {
    match event {
        Some(event) => Item::Event(LoggedEvent { id, prev, event: Arc::new(event) }),
        None => Item::Gap(id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_events_and_gaps_each_after_the_one_before() {
        let event = r#"{"id":"EV_1","name":"room_started","room":"general","data":{"room":{"name":"general"}},"timestamp":5}"#;
        let message =
            format!(r#"{{"prev":"1-0","items":[["2-0",{event}],["2-1",null],["3-0",{event}]]}}"#);
        let batch = batch(message.as_bytes()).unwrap();
        let ids: Vec<_> = batch.items.iter().map(|item| item.id().to_string()).collect();
        assert_eq!(ids, ["2-0", "2-1", "3-0"]);
        let Item::Event(last) = &batch.items[2] else { panic!("an event") };
        assert_eq!(last.prev.to_string(), "2-1");
        assert_eq!(serde_json::to_string(&*last.event).unwrap(), event);
        assert!(matches!(batch.items[1], Item::Gap(_)));
        assert!(super::batch(b"7").is_none());
    }
}
