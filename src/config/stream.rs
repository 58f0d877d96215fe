//! The table `[stream]`: how streams are fed.

use std::time::Duration;

use super::{
    bounds::{DAY, HOUR, MIN_TIMEOUT, MONTH},
    values::{Values, bytes, duration, switch},
};

/// A shorter interval would keep a core busy with heartbeats.
const MIN_HEARTBEAT: Duration = Duration::from_millis(10);
/// A list whose changes are held back for longer is not live.
const MAX_COALESCE: Duration = Duration::from_mins(1);

/// How streams are fed.
#[derive(Clone, Debug)]
pub struct StreamConfig {
    pub enabled: bool,
    pub coalesce: Duration,
    pub heartbeat: Duration,
    pub write_timeout: Duration,
    pub max_age: Duration,
    pub pinned_bytes: usize,
}

impl StreamConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self {
            enabled: values.take("stream.enabled", switch),
            coalesce: values.take("stream.coalesce", duration(Duration::ZERO..=MAX_COALESCE)),
            heartbeat: values.take("stream.heartbeat", duration(MIN_HEARTBEAT..=DAY)),
            write_timeout: values.take("stream.write_timeout", duration(MIN_TIMEOUT..=HOUR)),
            max_age: values.take("stream.max_age", duration(MIN_TIMEOUT..=MONTH)),
            pinned_bytes: values.take("stream.pinned_bytes", bytes),
        }
    }
}
