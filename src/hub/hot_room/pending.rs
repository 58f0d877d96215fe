//! Changes that wait for the end of a window.

use crate::presence::{HostTime, ViewDiff};

#[derive(Default)]
pub(super) struct Pending {
    pub diff: ViewDiff,
    /// When the webhook of the first change arrived.
    pub received_at: Option<HostTime>,
}
