//! What a subscriber is sent first: `connected`, or also what it missed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    presence::{HostTime, Version},
    sse::{Frame, silent_heartbeat},
    store::LogId,
};

use super::{
    entry::{Entry, system_message},
    metrics::ResumeOutcome,
};

/// A subscriber that missed more is sent this much, and comes back for the rest.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Where an instance ends, its subscribers come back together, and most have missed the same.
const SHARED_FOR: Duration = Duration::from_secs(1);
/// Smaller ones are quickly made.
const MIN_SHARED_BYTES: usize = 16 * 1024;
/// All that are shared have at most this many bytes.
const MAX_SHARED_BYTES: usize = 8 * 1024 * 1024;

/// What a subscriber is sent before it goes on with its topic.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    pub preface: Arc<Frame>,
    /// From where it goes on.
    pub version: Version,
    /// Not everything that it missed is in the preface: it has to come back for the rest.
    pub is_part: bool,
}

/// What a subscriber missed.
pub(super) struct Missed {
    pub entries: Vec<Arc<Entry>>,
    /// The place in the log up to which this is everything.
    pub reached: LogId,
    /// Whether the subscriber can go on with its topic at `version` then.
    pub is_whole: bool,
    pub version: Version,
    pub outcome: ResumeOutcome,
}

/// A place before every event: a subscriber that comes back from here has missed something.
pub(super) fn before_everything() -> LogId {
    LogId::default()
}

/// For a subscriber that has missed nothing.
pub(super) fn connected(position: LogId, now: HostTime) -> Arc<Frame> {
    Arc::new(system_message("connected", position, now))
}

/// For a subscriber of whose place the log knows nothing. If it loses the connection between the two messages, it has to be told
/// of the gap again.
pub(super) fn connected_after_gap(position: LogId, now: HostTime) -> Arc<Frame> {
    let connected = system_message("connected", before_everything(), now);
    let gap = system_message("gap", position, now);
    Arc::new(Frame::joined([&connected, &gap].into_iter()))
}

/// For a subscriber that was last sent `after`: `connected` with the same place, so that none of the rest is skipped if the
/// connection is lost meanwhile; what it missed; and where it is then.
pub(super) fn resumed(after: LogId, missed: &Missed, now: HostTime) -> Beginning {
    let Missed { entries, reached, is_whole, version, .. } = missed;
    if entries.is_empty() {
        let preface = connected(*reached, now);
        return Beginning { preface, version: *version, is_part: !is_whole };
    }
    let mut bytes = 0;
    let fits = entries.iter().take_while(|entry| {
        bytes += entry.bytes();
        bytes <= MAX_BYTES
    });
    let sent = &entries[..fits.count().max(1)];
    let are_all = sent.len() == entries.len();
    let connected = system_message("connected", after, now);
    let reached = silent_heartbeat(are_all.then_some(reached));
    let events = sent.iter().map(|entry| &**entry.frame());
    let frames = std::iter::once(&connected).chain(events).chain([&reached]);
    Beginning {
        preface: Arc::new(Frame::joined(frames)),
        version: *version,
        is_part: !(are_all && *is_whole),
    }
}

/// The prefaces that were made just now.
#[derive(Default)]
pub(super) struct Prefaces(Vec<Shared>);

struct Shared {
    /// Its version means something only within this topic.
    topic: u64,
    after: LogId,
    beginning: Beginning,
    made_at: Instant,
}

impl Prefaces {
    /// What was made for a subscriber of the topic with this id.
    pub fn find(&self, topic: u64, after: LogId, now: Instant) -> Option<&Beginning> {
        let is_wanted = |one: &&Shared| {
            one.topic == topic && one.after == after && now < one.made_at + SHARED_FOR
        };
        self.0.iter().find(is_wanted).map(|one| &one.beginning)
    }

    pub fn keep(&mut self, topic: u64, after: LogId, beginning: &Beginning) {
        let bytes = |one: &Beginning| one.preface.plain().len();
        if bytes(beginning) < MIN_SHARED_BYTES {
            return;
        }
        let now = Instant::now();
        self.forget(now);
        self.0.push(Shared { topic, after, beginning: beginning.clone(), made_at: now });
        let mut all: usize = self.0.iter().map(|one| bytes(&one.beginning)).sum();
        while all > MAX_SHARED_BYTES {
            all -= bytes(&self.0.remove(0).beginning);
        }
    }

    pub fn forget(&mut self, now: Instant) {
        self.0.retain(|one| now < one.made_at + SHARED_FOR);
    }
}
