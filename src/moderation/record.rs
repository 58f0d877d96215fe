//! Where an act is told: a line of the log, the feed of events, and the metrics.

use std::{error::Error, sync::Arc};

use serde::Serialize;
use tracing::{info, warn};

use crate::{
    clock::Clock,
    error_chain::Chain,
    presence::{EventId, Identity, RoomDetails, TrackSid},
    store::{FeedEvent, Store},
};

use super::{
    act::Act,
    metrics::{ActOutcome, ModerationMetrics},
};

/// The name of the event on the feed.
const EVENT: &str = "moderation";

/// What the feed shows of an act.
#[derive(Serialize)]
struct Data<'act> {
    room: RoomDetails,
    action: &'static str,
    by: &'act str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'act Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track: Option<&'act TrackSid>,
}

/// Tells of acts, also of those that need no LiveKit, such as a ban. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn Store>,
    clock: Clock,
    metrics: ModerationMetrics,
}

impl Audit {
    pub fn new(store: Arc<dyn Store>, clock: Clock, metrics: ModerationMetrics) -> Self {
        Self { store, clock, metrics }
    }

    /// Tells of an act and what came of it.
    pub(super) async fn record(
        &self,
        act: &Act,
        outcome: ActOutcome,
        error: Option<&(dyn Error + Send + Sync)>,
    ) {
        self.metrics.acted(act.action, outcome);
        log(act, outcome, error);
        if outcome.is_seen() && !act.is_hidden {
            self.tell_feed(act).await;
        }
    }

    async fn tell_feed(&self, act: &Act) {
        let now = self.clock.now();
        let data = Data {
            room: RoomDetails::named(act.room.clone(), None),
            action: act.action.as_str(),
            by: &act.by,
            identity: act.identity.as_ref(),
            track: act.track.as_ref(),
        };
        // Nobody else tells of this act, so any id will do that no other event has.
        let parts = [now.as_micros(), fastrand::u64(..)].map(u64::to_be_bytes);
        let id = EventId::of_parts(parts.iter().map(<[u8; 8]>::as_slice)).to_string();
        let at = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        let event = FeedEvent::new(id, EVENT.to_owned(), Some(act.room.clone()), &data, at);
        if let Err(error) = self.store.log_event(event).await {
            warn!(error = %Chain(&error), "cannot tell the feed of events what a moderator did");
        }
    }
}

/// The line of the log: who, what, whom, and what came of it. It has no names, no metadata and no tokens.
fn log(act: &Act, outcome: ActOutcome, error: Option<&(dyn Error + Send + Sync)>) {
    info!(
        by = act.by,
        action = act.action.as_str(),
        room.name = %act.room,
        participant.identity = act.identity.as_ref().map(Identity::as_str),
        track.sid = act.track.as_ref().map(TrackSid::as_str),
        outcome = outcome.as_str(),
        error = error.map(|error| Chain(error).to_string()),
        "a moderator acted on a room"
    );
}
