//! Each check ends in time, whatever it waits for.

use std::time::Duration;

use tokio::time::timeout;

use super::finding::{Check, Checked};

/// Runs a check, and says so where it does not end in time.
pub(super) async fn within(
    limit: Duration,
    check: Check,
    checking: impl Future<Output = Checked>,
) -> Checked {
    timeout(limit, checking).await.unwrap_or_else(|_| {
        Checked::of(check).wrong(
            format!("There was no answer within {limit:?}."),
            "Look whether a firewall drops what is sent, or what is asked is overloaded.",
        )
    })
}
