//! The table `[presence]`: how long lists are trusted.

use std::time::Duration;

use super::{
    bounds::MONTH,
    values::{Values, duration_or_auto},
};

/// How long a list counts as confirmed where LiveKit's API confirms it regularly.
const TTL_WITH_API: Duration = Duration::from_mins(1);
/// How long a list counts as confirmed where only webhooks confirm it.
const TTL_WITHOUT_API: Duration = Duration::from_hours(24);
/// The shortest `presence.ttl`; no list is ever confirmed for less than a round trip takes.
const MIN_TTL: Duration = Duration::from_millis(1);

/// How long lists are trusted.
#[derive(Clone, Debug)]
pub struct PresenceConfig {
    /// None for "auto": one minute with LiveKit's API, a day without.
    pub ttl: Option<Duration>,
}

impl PresenceConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self { ttl: values.take("presence.ttl", duration_or_auto(MIN_TTL..=MONTH)) }
    }

    /// How long a list counts as confirmed.
    pub(super) fn trust(&self, has_api: bool) -> Duration {
        self.ttl.unwrap_or(if has_api { TTL_WITH_API } else { TTL_WITHOUT_API })
    }
}
