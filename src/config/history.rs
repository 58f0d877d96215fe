//! The table `[history]`: where who was there is kept, and for how long.

use std::time::Duration;

use crate::{history::HistoryAddress, store::OutboxSettings};

use super::{
    bounds::HOUR,
    start_mode::StartMode,
    values::{Values, duration, optional_text, switch, whole_number},
};

/// Longer than anybody keeps such rows; a longer duration would stand for "for ever".
const TEN_YEARS: Duration = Duration::from_hours(24 * 3_660);
/// More items than a store can hold in memory beside its rooms.
const MAX_OUTBOX: u32 = 1_000_000;

/// The history of rooms.
#[derive(Clone, Debug)]
pub struct HistoryConfig {
    /// None: no history is kept.
    pub address: Option<HistoryAddress>,
    /// How long rows are kept after their end.
    pub keep: Duration,
    /// Whether participants' metadata is kept.
    pub metadata: bool,
    /// How many items wait for the database at most.
    pub max_waiting: usize,
}

impl HistoryConfig {
    /// What steps add to the history; none where no history is kept.
    pub fn outbox(&self) -> Option<OutboxSettings> {
        self.address.as_ref()?;
        Some(OutboxSettings { metadata: self.metadata, max: self.max_waiting, keep: self.keep })
    }

    pub(super) fn take(values: &mut Values, start_mode: StartMode) -> Self {
        Self {
            address: take_address(values).or_else(|| of_demo(start_mode)),
            keep: values.take("history.keep", duration(HOUR..=TEN_YEARS)),
            metadata: values.take("history.metadata", switch),
            max_waiting: values.take("history.outbox", whole_number(1..=MAX_OUTBOX)) as usize,
        }
    }
}

fn take_address(values: &mut Values) -> Option<HistoryAddress> {
    let address = values.take("history.url", optional_text)?;
    let address = HistoryAddress::parse(&address);
    address.map_err(|problem| values.reject("history.url", problem)).ok()
}

/// The demo shows a history, and leaves nothing behind.
fn of_demo(start_mode: StartMode) -> Option<HistoryAddress> {
    match start_mode {
        StartMode::Serve | StartMode::Export => None,
        StartMode::Demo => Some(HistoryAddress::Memory),
    }
}
