//! What Redis pushes to this instance: messages, and word that a subscription is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{PushInfo, PushKind, Value};
use tokio::{sync::Notify, time::timeout};

use super::{events::SubscribedEvents, followers::Followers, keys::KeyFormat};

/// Takes what Redis pushes. Shared by the subscriber, its task, and its connection.
pub(super) struct Inbox {
    pub keys: KeyFormat,
    pub followers: Arc<Followers>,
    /// Those who follow the log of events.
    pub events: SubscribedEvents,
    /// This instance's own channel, on which it hears itself.
    pub probe: String,
    /// The number of the last probe that arrived.
    probed: AtomicU64,
    /// Notified when there is something to subscribe.
    pub wanted: Notify,
    /// Notified when the connection is gone, or one to a node of a Cluster.
    pub lost: Notify,
    /// Whether changes arrive, as far as is known.
    pub is_connected: AtomicBool,
}

impl Inbox {
    pub fn new(keys: KeyFormat, instance: &str) -> Self {
        Self {
            probe: keys.probe(instance),
            events: SubscribedEvents::new(keys.events_channel()),
            keys,
            followers: Arc::default(),
            probed: AtomicU64::new(0),
            wanted: Notify::new(),
            lost: Notify::new(),
            is_connected: AtomicBool::new(false),
        }
    }

    /// Takes what Redis pushes. Runs in the connection's own task, so it must not wait.
    pub fn on_push(&self, push: &PushInfo) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                if let [Value::BulkString(channel), Value::BulkString(message)] = &*push.data {
                    self.on_message(channel, message);
                }
            }
            PushKind::Disconnection => self.lost.notify_one(),
            PushKind::SUnsubscribe => {
                // Nobody asked for the end of a followed bucket, so its slot moved to another node.
                if let Some(Value::BulkString(channel)) = push.data.first()
                    && self.follows(channel)
                {
                    self.lost.notify_one();
                }
            }
            _ => {}
        }
    }

    /// The number of the last probe that arrived.
    pub fn probed(&self) -> u64 {
        self.probed.load(Ordering::Relaxed)
    }

    /// Forgets that an earlier connection was lost; that says nothing about the next one.
    pub async fn forget_loss(&self) {
        let _ = timeout(Duration::ZERO, self.lost.notified()).await;
    }

    pub fn disconnected(&self) {
        self.is_connected.store(false, Ordering::Relaxed);
        self.followers.disconnected();
        self.events.unsubscribed();
    }

    fn on_message(&self, channel: &[u8], message: &[u8]) {
        if channel == self.probe.as_bytes() {
            let number = std::str::from_utf8(message).ok().and_then(|text| text.parse().ok());
            self.probed.fetch_max(number.unwrap_or_default(), Ordering::Relaxed);
            return;
        }
        if channel == self.events.channel.as_bytes() {
            self.events.on_message(message);
            return;
        }
        self.followers.on_message(message);
    }

    fn follows(&self, channel: &[u8]) -> bool {
        if channel == self.events.channel.as_bytes() {
            return self.events.is_followed();
        }
        let mut buckets = self.followers.buckets().into_iter();
        buckets.any(|bucket| self.keys.channel(bucket).as_bytes() == channel)
    }
}
