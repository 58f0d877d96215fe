//! Follows the store's log while anybody subscribes, and publishes what it has to the topics of the filters.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval, sleep_until},
};
use tracing::{debug, warn};

use crate::{
    error_chain::Chain,
    store::{EventFeed, EventFeedMessage, LogId, LoggedEvent},
};

use super::{
    entry::Entry,
    shared::Shared,
    state::{Opening, Phase},
};

/// The log is followed this long after its last subscriber has left, because most come back at once.
const LINGER: Duration = Duration::from_secs(5);
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How often heartbeats learn how far the log is.
const REFRESH_INTERVAL: Duration = Duration::from_secs(5);
/// A write to a subscriber takes about this long, whatever it writes. The window grows with them, so that most of the time is left
/// for other work.
const WRITE_TIME: Duration = Duration::from_micros(5);
const MAX_WINDOW: Duration = Duration::from_secs(1);

/// Follows the log. Its inputs: the log, the end of a coalescing window, and the regular look for subscribers.
struct Task {
    shared: Arc<Shared>,
    /// Messages wait until then.
    window_ends: Instant,
    has_pending: bool,
    looks: Interval,
    refresh_at: Instant,
    /// When there was last a subscriber.
    used_at: Instant,
}

/// Opens the feed, tells how that ended, and follows the log until nobody has subscribed for a while.
pub(super) async fn run(shared: Arc<Shared>, opened: watch::Sender<Opening>) {
    match shared.store.follow_events().await {
        Ok(feed) => {
            shared.state().open(feed.position());
            shared.published.send_replace(feed.position());
            opened.send_replace(Some(Ok(())));
            debug!(position = %feed.position(), "follows the log of events");
            shared.metrics.is_followed(true);
            Task::new(Arc::clone(&shared)).follow(feed).await;
        }
        Err(error) => {
            debug!(error = %Chain(&error), "cannot follow the log of events");
            shared.state().phase = Phase::Idle;
            opened.send_replace(Some(Err(error)));
        }
    }
}

impl Task {
    fn new(shared: Arc<Shared>) -> Self {
        let now = Instant::now();
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared,
            window_ends: now,
            has_pending: false,
            looks,
            refresh_at: now + REFRESH_INTERVAL,
            used_at: now,
        }
    }

    async fn follow(mut self, mut feed: EventFeed) {
        while let Some(message) = self.next_message(&mut feed).await {
            match message {
                EventFeedMessage::Logged(events) => self.on_events(events),
                EventFeedMessage::Gap => self.on_gap(feed.position()),
            }
        }
        debug!("follows the log of events no longer");
    }

    /// The next message, while the task sees to the rest. None if the log is no longer to be followed.
    async fn next_message(&mut self, feed: &mut EventFeed) -> Option<EventFeedMessage> {
        // Goes on over all that happens meanwhile: it may be a long reading of the log, which would begin anew.
        let mut next = pin!(feed.next());
        loop {
            tokio::select! {
                message = &mut next => return Some(message),
                () = sleep_until(self.window_ends), if self.has_pending => self.publish(),
                _ = self.looks.tick() => if self.on_look() {
                    return None;
                },
            }
        }
    }

    fn on_events(&mut self, events: Vec<LoggedEvent>) {
        self.shared.metrics.followed(events.len());
        let mut state = self.shared.state();
        for logged in events {
            state.push(Entry::of(logged));
        }
        self.has_pending = state.has_pending();
        let followed = state.followed();
        drop(state);
        if !self.has_pending {
            self.shared.published.send_replace(followed);
        } else if Instant::now() >= self.window_ends {
            self.publish();
        }
    }

    /// Events were lost that the log no longer has. Subscribers are told so in their place, and go on.
    fn on_gap(&mut self, position: LogId) {
        warn!("the feed lost events that the log of events no longer had");
        self.shared.metrics.lost();
        let now = self.shared.clock.now();
        self.shared.state().lose(position, now);
        self.publish();
    }

    /// Publishes what waits, and opens a window.
    fn publish(&mut self) {
        let mut state = self.shared.state();
        let (changed, subscribers) = state.publish();
        let followed = state.followed();
        drop(state);
        for topic in changed {
            self.shared.watchers.topic_changed(&topic);
            topic.announced();
        }
        self.has_pending = false;
        self.shared.published.send_replace(followed);
        self.window_ends = Instant::now() + self.window(subscribers);
    }

    fn window(&self, subscribers: usize) -> Duration {
        let coalesce = self.shared.config.coalesce;
        if coalesce.is_zero() {
            return Duration::ZERO;
        }
        let writes = WRITE_TIME * u32::try_from(subscribers).unwrap_or(u32::MAX);
        writes.min(MAX_WINDOW).max(coalesce)
    }

    /// Looks for subscribers. Tells whether the log is no longer followed, because there were none for a while.
    fn on_look(&mut self) -> bool {
        let now = Instant::now();
        let mut state = self.shared.state();
        let filters = state.drop_idle();
        self.shared.metrics.has_filters(filters);
        if filters > 0 {
            self.used_at = now;
        }
        if now >= self.refresh_at {
            self.refresh_at = now + REFRESH_INTERVAL;
            state.refresh();
        }
        let ends = self.used_at + LINGER <= now && state.close_if_idle();
        if ends {
            self.shared.metrics.is_followed(false);
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use tokio::time::timeout;

    use super::*;
    use crate::{
        clock::Clock,
        hub::{
            events::{filter::EventFilter, metrics::EventMetrics, shared::EventsConfig},
            topic::{Topic, Watchers},
        },
        presence::Rules,
        store::{FeedEvent, MemoryStore, slow_feed},
    };

    struct Nobody;

    impl Watchers for Nobody {
        fn topic_changed(&self, _: &Arc<Topic>) {}
    }

    fn shared() -> Arc<Shared> {
        let clock = Clock::system();
        let store = Arc::new(MemoryStore::new(Rules::default(), clock.clone()));
        let config = EventsConfig { coalesce: Duration::ZERO, max_events: 100 };
        let metrics = EventMetrics::register(&mut Registry::default());
        Arc::new(Shared::new(store, None, Arc::new(Nobody), clock, config, metrics))
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_of_the_log_that_takes_long_comes_to_its_end() {
        let shared = shared();
        let takes = LOOK_INTERVAL * 5 / 2;
        let event = FeedEvent::new("EV_1".to_owned(), "room_started".to_owned(), None, &"", 0);
        let feed = slow_feed(takes, event);
        let place = shared.state().enter(&EventFilter::default(), Vec::new).unwrap();
        let mut published = shared.published.subscribe();
        let task = tokio::spawn(Task::new(Arc::clone(&shared)).follow(feed));
        let arrives = published.wait_for(|position| *position > place.position);
        timeout(takes * 2, arrives).await.expect("in time").unwrap();
        drop(place);
        task.await.unwrap();
    }
}
