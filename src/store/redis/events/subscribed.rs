//! The subscription to the log of events: who follows it on this instance, and whether Redis sends it.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::store::{StoreError, events::EventFollowers};

use super::{
    super::{inbox::Inbox, subscriber_task::not_acknowledged},
    message,
};

/// The followers of the log on this instance, and the channel on which it is published.
pub(in crate::store::redis) struct SubscribedEvents {
    pub channel: String,
    pub followers: Arc<EventFollowers>,
    /// Whether Redis acknowledged the subscription on the present connection.
    is_subscribed: watch::Sender<bool>,
}

impl SubscribedEvents {
    pub fn new(channel: String) -> Self {
        Self { channel, followers: Arc::default(), is_subscribed: watch::Sender::new(false) }
    }

    pub fn on_message(&self, message: &[u8]) {
        match message::batch(message) {
            Some(batch) => self.followers.send(batch),
            None => self.followers.doubt(),
        }
    }

    /// Whether there is a follower without a subscription.
    pub fn is_wanted(&self) -> bool {
        !*self.is_subscribed.borrow() && self.is_followed()
    }

    pub fn is_followed(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Redis acknowledged the subscription, perhaps again. Nobody knows what was published before.
    pub fn subscribed(&self) {
        self.is_subscribed.send_replace(true);
        self.followers.doubt();
    }

    pub fn unsubscribed(&self) {
        self.is_subscribed.send_replace(false);
    }

    /// Whether the subscription can end, because nobody follows. From then on a follower waits for another one.
    pub fn give_up(&self) -> bool {
        self.followers.if_empty(|| self.is_subscribed.send_replace(false)).unwrap_or(false)
    }

    /// Waits until Redis sends the log. The caller has added a follower.
    pub async fn arrives(&self, inbox: &Inbox, wait: Duration) -> Result<(), StoreError> {
        let mut is_subscribed = self.is_subscribed.subscribe();
        inbox.wanted.notify_one();
        match timeout(wait, is_subscribed.wait_for(|subscribed| *subscribed)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(not_acknowledged()),
        }
    }
}
