//! What an operator says of the history.

use std::time::Duration;

/// How the history is kept.
#[derive(Clone, Copy, Debug)]
pub struct HistorySettings {
    /// Rows are deleted this long after their end.
    pub keep: Duration,
    /// Whether metadata is kept.
    pub metadata: bool,
}
