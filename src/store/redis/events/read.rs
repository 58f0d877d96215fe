//! Reads the log. A reading either has everything after a position or says that it has not.

use std::collections::HashMap;

use async_trait::async_trait;

use crate::store::{
    LogId, StoreError,
    events::{EventLog, Item, Reading},
};

use super::{super::rows::Unreadable, log::RedisEvents, message};

/// Entries per command, so that others need not wait long for its answer.
const MAX_ENTRIES: usize = 250;

#[async_trait]
impl EventLog for RedisEvents {
    async fn read_after(&self, after: LogId, max: usize) -> Result<Reading, StoreError> {
        // Before the entries: if there are none, this was still the newest position when they were read.
        let mut get = redis::cmd("HGET");
        get.arg(self.keys.shared("log:state")).arg("newest");
        let newest: Option<String> = self.link.query(&get).await?;
        let newest = newest.and_then(|newest| newest.parse().ok()).unwrap_or_default();
        let gap = Reading { items: Vec::new(), is_gap: true, newest };
        let mut items: Vec<Item> = Vec::new();
        let mut position = None;
        let mut start = after.to_string();
        loop {
            let count = MAX_ENTRIES.min(max + 1 - items.len());
            let entries = self.entries(&start, count).await?;
            let is_last = entries.len() < count;
            for (id, prev, item) in entries {
                if position.is_none() && id == after {
                    position = Some(id);
                    continue;
                }
                // Entries in between may have been trimmed since the last command.
                if prev != position.unwrap_or(after) {
                    return Ok(gap);
                }
                position = Some(id);
                items.push(item);
            }
            match position {
                None if newest == after => break,
                None => return Ok(gap),
                Some(_) if is_last || items.len() >= max => break,
                Some(position) => start = format!("({position}"),
            }
        }
        items.truncate(max);
        Ok(Reading { items, is_gap: false, newest })
    }
}

impl RedisEvents {
    /// Entries with their positions, and the positions before them.
    async fn entries(
        &self,
        start: &str,
        count: usize,
    ) -> Result<Vec<(LogId, LogId, Item)>, StoreError> {
        let mut read = redis::cmd("XRANGE");
        read.arg(self.keys.shared("log")).arg(start).arg("+").arg("COUNT").arg(count);
        let entries: Vec<(String, HashMap<String, Vec<u8>>)> = self.link.query(&read).await?;
        let parsed = entries.into_iter().map(|(id, fields)| entry(&id, &fields));
        Ok(parsed.collect::<Option<_>>().ok_or(Unreadable::Malformed)?)
    }
}

fn entry(id: &str, fields: &HashMap<String, Vec<u8>>) -> Option<(LogId, LogId, Item)> {
    let id = id.parse().ok()?;
    let prev = std::str::from_utf8(fields.get("p")?).ok()?.parse().ok()?;
    let event = fields.get("e")?;
    let event = if event.is_empty() { None } else { Some(serde_json::from_slice(event).ok()?) };
    Some((id, prev, message::item(id, prev, event)))
}
