//! The entrance of the feed: subscribes, and says from where a subscriber goes on.

use std::sync::Arc;

use tokio::sync::watch;

use crate::{
    abort_on_panic,
    clock::Clock,
    presence::Version,
    reconcile::Reconciler,
    sse::Frame,
    store::{LogId, Store},
};

use super::{
    super::topic::{Subscription, Watchers},
    error::EventsError,
    filter::EventFilter,
    metrics::EventMetrics,
    preface::{self, Beginning},
    shared::{EventsConfig, Shared},
    state::{Opening, Phase, Place},
    task,
};

/// From where a subscriber wants to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFrom {
    Now,
    /// It was last sent the message with this id.
    After(LogId),
    /// It names an id that is none of ours.
    Unknown,
}

/// An open feed: what the subscriber is sent first, and where it goes on.
#[derive(Debug)]
pub struct OpenedFeed {
    pub subscription: Subscription,
    /// The version of the topic from which the subscriber goes on.
    pub version: Version,
    pub preface: Arc<Frame>,
    /// The subscriber missed more than the preface has: the stream ends after it, and the subscriber comes back for the rest.
    pub is_part: bool,
}

/// The feed of this instance. Costs nothing while nobody subscribes.
#[derive(Clone)]
pub struct Events(Arc<Shared>);

impl Events {
    /// `reconciler` is none where LiveKit's API is not configured.
    pub fn new(
        store: Arc<dyn Store>,
        reconciler: Option<Reconciler>,
        watchers: Arc<dyn Watchers>,
        clock: Clock,
        config: EventsConfig,
        metrics: EventMetrics,
    ) -> Self {
        Self(Arc::new(Shared::new(store, reconciler, watchers, clock, config, metrics)))
    }

    /// Opens the feed for a subscriber. From where the returned preface and version are, it misses nothing.
    ///
    /// # Errors
    /// The store's log cannot be followed or read, or too much is asked for at once.
    pub async fn open(
        &self,
        filter: &EventFilter,
        from: ResumeFrom,
    ) -> Result<OpenedFeed, EventsError> {
        let Place { subscription, version, position } = self.subscribe(filter).await?;
        let now = self.0.clock.now();
        let beginning = match from {
            ResumeFrom::Now => {
                Beginning { preface: preface::connected(position, now), version, is_part: false }
            }
            ResumeFrom::Unknown => self.0.begin_after_gap(filter),
            ResumeFrom::After(after) => match self.0.resume(filter, after).await? {
                Some(beginning) => beginning,
                None => self.0.begin_after_gap(filter),
            },
        };
        let Beginning { preface, version, is_part } = beginning;
        Ok(OpenedFeed { subscription, version, preface, is_part })
    }

    /// Subscribes to a filter, and has the log followed if it is not.
    async fn subscribe(&self, filter: &EventFilter) -> Result<Place, EventsError> {
        loop {
            let mut opening = {
                let mut state = self.0.state();
                match &state.phase {
                    Phase::Open => {
                        let watch = || self.0.watch_rooms(filter);
                        let place = state.enter(filter, watch);
                        self.0.metrics.has_filters(state.filters());
                        return place.ok_or(EventsError::TooManyFilters);
                    }
                    Phase::Opening(opening) => opening.clone(),
                    Phase::Idle => {
                        let (opened, opening) = watch::channel(Opening::None);
                        state.phase = Phase::Opening(opening.clone());
                        let task = task::run(Arc::clone(&self.0), opened);
                        tokio::spawn(abort_on_panic::task("the task of the events feed", task));
                        opening
                    }
                }
            };
            let opened = opening.wait_for(Option::is_some).await;
            if let Some(Err(error)) = &*opened.expect("the task tells how the opening ended") {
                return Err(error.clone().into());
            }
        }
    }
}
