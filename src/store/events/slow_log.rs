//! A log of events that takes long to read, for tests of those who follow one.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::time::sleep;

use crate::store::error::StoreError;

use super::{
    event::FeedEvent,
    feed::{EventFeed, EventFollowers, EventLog, Item, LoggedEvent, Reading},
    log_id::LogId,
};

struct SlowLog {
    takes: Duration,
    event: LoggedEvent,
}

#[async_trait]
impl EventLog for SlowLog {
    async fn read_after(&self, after: LogId, _: usize) -> Result<Reading, StoreError> {
        sleep(self.takes).await;
        let is_news = after < self.event.id;
        let items = is_news.then(|| Item::Event(self.event.clone())).into_iter().collect();
        Ok(Reading { items, is_gap: false, is_last: true, newest: self.event.id })
    }
}

/// A follower that has to read one event, which takes this long.
pub(crate) fn slow_feed(takes: Duration, event: FeedEvent) -> EventFeed {
    let prev = LogId::default().next(1);
    let event = LoggedEvent { id: prev.next(2), prev, event: Arc::new(event) };
    let followers = Arc::<EventFollowers>::default();
    let feed = followers.add(prev, Arc::new(SlowLog { takes, event }), || {});
    followers.doubt();
    // The feed waits for more after the event, as long as its store is there.
    std::mem::forget(followers);
    feed
}
