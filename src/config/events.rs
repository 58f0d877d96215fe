//! The table `[events]`: how much of the log of events is kept.

use std::time::Duration;

use super::{
    bounds::DAY,
    values::{Values, duration, whole_number},
};

/// A shorter log would end between two steps of a client that comes back.
const MIN_KEEP: Duration = Duration::from_secs(1);
/// More events than a store can hold in memory beside its rooms.
const MAX_EVENTS: u32 = 1_000_000;

/// How much of the log of events is kept.
#[derive(Clone, Copy, Debug)]
pub struct EventsConfig {
    pub keep: Duration,
    pub max: usize,
}

impl EventsConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self {
            keep: values.take("events.keep", duration(MIN_KEEP..=DAY)),
            max: values.take("events.max", whole_number(1..=MAX_EVENTS)) as usize,
        }
    }
}
