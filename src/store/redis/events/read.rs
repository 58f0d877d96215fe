//! Reads the log. A reading either has everything after a position or says that it has not.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::store::{
    LogId, StoreError,
    events::{EventLog, Item, Reading},
};

use super::{super::rows::Unreadable, log::RedisEvents, message};

/// What one command reads, so that others need not wait long for its answer.
const MAX_ENTRIES: usize = 250;
/// About what one reading of the log has.
const MAX_BYTES: usize = 8 * 1024 * 1024;

type Fields = HashMap<String, Vec<u8>>;

/// What is read of the log, as far as it is read.
struct Progress {
    after: LogId,
    /// The position of the last entry that was read; none until one was.
    position: Option<LogId>,
    items: Vec<Item>,
    bytes: usize,
}

#[async_trait]
impl EventLog for RedisEvents {
    async fn read_after(&self, after: LogId, max: usize) -> Result<Reading, StoreError> {
        // Before the entries: if there are none, this was still the newest position when they were read.
        let mut get = redis::cmd("HGET");
        get.arg(self.keys.shared("log:state")).arg("newest");
        let newest: Option<String> = self.link.query(&get).await?;
        let newest = newest.and_then(|newest| newest.parse().ok()).unwrap_or_default();
        let gap = Reading { items: Vec::new(), is_gap: true, is_last: true, newest };
        let mut progress = Progress { after, position: None, items: Vec::new(), bytes: 0 };
        let log = self.keys.shared("log");
        let mut start = after.to_string();
        let is_last = loop {
            let count = MAX_ENTRIES.min(max + 1 - progress.items.len());
            let page = self.streams.read::<Fields>(&log, &start, count).await?;
            for (id, fields) in &page.entries {
                let entry = entry(id, fields).ok_or(Unreadable::Malformed)?;
                if !progress.take(entry, fields) {
                    return Ok(gap);
                }
            }
            match progress.position {
                None if newest == after => break true,
                None => return Ok(gap),
                Some(_) if page.is_last => break progress.items.len() <= max,
                Some(_) if progress.items.len() >= max || progress.bytes >= MAX_BYTES => {
                    break false;
                }
                Some(position) => start = format!("({position}"),
            }
        };
        progress.items.truncate(max);
        Ok(Reading { items: progress.items, is_gap: false, is_last, newest })
    }
}

impl Progress {
    /// Takes the next entry. False if one is missing before it.
    fn take(&mut self, (id, prev, item): (LogId, LogId, Item), fields: &Fields) -> bool {
        let is_first = self.position.is_none() && id == self.after;
        if !is_first {
            // Entries in between may have been trimmed since the last command.
            if prev != self.position.unwrap_or(self.after) {
                return false;
            }
            self.items.push(item);
            self.bytes += fields.values().map(Vec::len).sum::<usize>();
        }
        self.position = Some(id);
        true
    }
}

/// An entry with its position and the one before. An event that this version cannot read is a gap.
fn entry(id: &str, fields: &Fields) -> Option<(LogId, LogId, Item)> {
    let id = id.parse().ok()?;
    let prev = std::str::from_utf8(fields.get("p")?).ok()?.parse().ok()?;
    let event = fields.get("e").and_then(|event| serde_json::from_slice(event).ok());
    Some((id, prev, message::item(id, prev, event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_cannot_be_read_is_a_gap_in_its_place() {
        let of = |event: &str| {
            let fields = [("p", "1-0"), ("e", event)];
            let fields = fields.map(|(name, value)| (name.to_owned(), value.into()));
            entry("2-0", &fields.into()).unwrap()
        };
        for unreadable in ["", "{}", "7", r#"{"id":7}"#] {
            let (id, prev, item) = of(unreadable);
            assert_eq!((id.to_string(), prev.to_string()), ("2-0".into(), "1-0".into()));
            assert!(matches!(item, Item::Gap(gap) if gap == id), "{unreadable}");
        }
        let event =
            r#"{"id":"EV_1","name":"participant_left","data":{},"timestamp":5,"source":"moon"}"#;
        let (.., Item::Event(logged)) = of(event) else { panic!("of a later version") };
        assert_eq!(serde_json::to_string(&*logged.event).unwrap(), event);
    }
}
