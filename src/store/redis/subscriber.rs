//! Follows rooms by pub/sub: one subscription for each bucket that has a followed room, on a connection of its own.
//!
//! Messages may get lost; the room in Redis is what counts. Whenever a message may have been lost, followers get a gap, and read
//! their rooms again. The library's own reconnection is not used, because it says too little about what was lost.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::timeout;

use crate::{
    abort_on_panic,
    presence::RoomName,
    store::{Feed, RoomsFeed, StoreError},
};

use super::{
    inbox::Inbox,
    keys::KeyFormat,
    link::Link,
    metrics::RedisMetrics,
    subscriber_task::{ACKNOWLEDGE_TIMEOUT, SubscriberTask, not_acknowledged},
};

/// Follows rooms until it is dropped.
pub(super) struct Subscriber(Arc<Inbox>);

impl Subscriber {
    pub fn start(link: Arc<Link>, keys: KeyFormat, instance: &str, metrics: RedisMetrics) -> Self {
        let inbox = Arc::new(Inbox::new(keys, instance));
        let task = SubscriberTask::new(link, Arc::downgrade(&inbox), metrics);
        tokio::spawn(abort_on_panic::task("the subscription to Redis", task.run()));
        Self(inbox)
    }

    /// Follows a room. When this returns, Redis has acknowledged the subscription.
    pub async fn follow(&self, room: &RoomName) -> Result<Feed, StoreError> {
        let (feed, mut is_subscribed) = self.0.followers.add(room);
        self.0.wanted.notify_one();
        match timeout(ACKNOWLEDGE_TIMEOUT, is_subscribed.wait_for(|subscribed| *subscribed)).await {
            Ok(Ok(_)) => Ok(feed),
            _ => Err(not_acknowledged()),
        }
    }

    /// What Redis pushes to this instance.
    pub fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.0)
    }

    /// Follows all rooms. When this returns, Redis has acknowledged the subscriptions of all buckets.
    pub async fn follow_all(&self) -> Result<RoomsFeed, StoreError> {
        let (feed, buckets) = self.0.followers.add_to_all();
        self.0.wanted.notify_one();
        let subscribed = async {
            for mut is_subscribed in buckets {
                if is_subscribed.wait_for(|subscribed| *subscribed).await.is_err() {
                    return false;
                }
            }
            true
        };
        match timeout(ACKNOWLEDGE_TIMEOUT, subscribed).await {
            Ok(true) => Ok(feed),
            _ => Err(not_acknowledged()),
        }
    }

    /// Whether changes arrive, as far as is known.
    pub fn is_connected(&self) -> bool {
        self.0.is_connected.load(Ordering::Relaxed)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // Wakes the task, which ends because nobody holds the inbox any more.
        self.0.lost.notify_one();
    }
}
