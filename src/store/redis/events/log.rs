//! The log as the store uses it: whether it runs, and how to follow it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::Value;
use tokio::time::sleep;

use crate::store::{EventFeed, EventLogSettings, FeedEvent, LogId, StoreError, events::EventLog};

use super::{
    super::{
        inbox::Inbox, keys::KeyFormat, link::Link, rows::to_json, scripts::Scripts,
        streams::StreamReader, subscriber_task::ACKNOWLEDGE_TIMEOUT,
    },
    subscribed::SubscribedEvents,
};

/// While one instance starts the log, others wait for it, but not longer than this.
const START_TIMEOUT: Duration = Duration::from_secs(3);
const START_RETRY_DELAY: Duration = Duration::from_millis(20);

/// The log of events, shared by all instances on a Redis.
pub(in crate::store::redis) struct RedisEvents {
    pub(super) link: Arc<Link>,
    pub(super) keys: KeyFormat,
    pub(super) scripts: Scripts,
    pub(super) streams: StreamReader,
    pub(super) settings: EventLogSettings,
    inbox: Arc<Inbox>,
    /// Whether steps are logged, as far as this instance knows.
    is_on: AtomicBool,
    /// Whether the task that tends the log runs.
    pub(super) is_tended: AtomicBool,
    /// Redis did not take the log the last time, and the service's own log says so.
    pub(super) has_warned: AtomicBool,
}

impl RedisEvents {
    pub fn new(
        link: Arc<Link>,
        keys: KeyFormat,
        settings: EventLogSettings,
        inbox: Arc<Inbox>,
    ) -> Arc<Self> {
        Arc::new(Self {
            streams: StreamReader::new(Arc::clone(&link)),
            link,
            keys,
            scripts: Scripts::new(),
            settings,
            inbox,
            is_on: AtomicBool::new(false),
            is_tended: AtomicBool::new(false),
            has_warned: AtomicBool::new(false),
        })
    }

    /// Whether a step has to make entries, as far as this instance knows. If it is wrong, the commit tells.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub fn turned_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub fn turned_off(&self) {
        self.is_on.store(false, Ordering::Relaxed);
    }

    pub(super) fn subscribed(&self) -> &SubscribedEvents {
        &self.inbox.events
    }

    /// Follows the log. When this returns, every commit of every instance is logged, and what is logged arrives.
    pub async fn follow(self: &Arc<Self>) -> Result<EventFeed, StoreError> {
        self.check_commands().await?;
        let log = Arc::clone(self) as Arc<dyn EventLog>;
        let mut feed = self.subscribed().followers.add(LogId::default(), log, || ());
        self.subscribed().arrives(&self.inbox, ACKNOWLEDGE_TIMEOUT).await?;
        feed.forget_doubt();
        feed.start_at(self.start().await?);
        self.turned_on();
        self.tend();
        Ok(feed)
    }

    /// Logs an event that is about no room's list, once by its id, if the log runs.
    pub async fn log_once(&self, event: &FeedEvent) -> Result<(), StoreError> {
        let mut keys = self.keys.event_log();
        keys.push(self.keys.shared("log:on"));
        keys.push(self.keys.shared(&format!("log:seen:{}", event.id)));
        let logged = self.call_relay(&keys, "", &[b"", b"1", &to_json(event)]).await;
        // As for rooms: a Redis that refuses the log does not keep webhooks from being taken.
        self.excuse(logged.map(drop))
    }

    /// Has every commit log from now on. Returns the position from which everything is logged.
    async fn start(&self) -> Result<LogId, StoreError> {
        let lease = self.take_start_lease().await?;
        let started = self.tend_all().await;
        let mut release = redis::cmd("DEL");
        release.arg(&lease);
        let _ = self.link.query::<()>(&release).await;
        started
    }

    /// Waits until no other instance starts the log.
    async fn take_start_lease(&self) -> Result<String, StoreError> {
        let lease = self.keys.shared("log:start");
        let mut set = redis::cmd("SET");
        set.arg(&lease).arg(1).arg("NX").arg("PX").arg(START_TIMEOUT.as_millis().to_string());
        while self.link.query::<Value>(&set).await? == Value::Nil {
            sleep(START_RETRY_DELAY).await;
        }
        Ok(lease)
    }

    /// Fails where Redis refuses what the log needs, before anything depends on it. Changes nothing.
    async fn check_commands(&self) -> Result<(), StoreError> {
        let (log, nowhere) = (self.keys.shared("log"), self.keys.shared("log:nowhere"));
        let mut add = redis::cmd("XADD");
        add.arg(&nowhere).arg("NOMKSTREAM").arg("*").arg("e").arg("");
        let mut trim = redis::cmd("XTRIM");
        trim.arg(&nowhere).arg("MAXLEN").arg(1);
        let mut read = redis::cmd("XRANGE");
        read.arg(&log).arg("-").arg("+").arg("COUNT").arg(1);
        let mut delete = redis::cmd("XDEL");
        delete.arg(&nowhere).arg("0-1");
        for command in [add, trim, read, delete] {
            self.link.query::<Value>(&command).await?;
        }
        Ok(())
    }
}
