//! How many sockets this process can have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::debug;

/// Descriptors for everything but clients' connections: listener, polls, log, Redis, LiveKit, and connections that are being
/// refused.
const OTHERS: u64 = 128;
/// Assumed where the system sets no limit.
const PLENTY: u64 = 1 << 20;

/// The descriptors of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptors(u64);

impl Descriptors {
    /// Raises the soft limit to the hard limit, and returns it.
    pub fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        if limit.current != limit.maximum {
            let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
            if let Err(error) = setrlimit(Resource::Nofile, raised) {
                debug!(%error, "cannot raise the limit of open files");
            }
        }
        Self(getrlimit(Resource::Nofile).current.unwrap_or(PLENTY).min(PLENTY))
    }

    pub fn count(self) -> u64 {
        self.0
    }

    /// Connections of any kind.
    pub fn connections(self) -> usize {
        let connections = self.0.saturating_sub(OTHERS).max(self.0 / 2);
        usize::try_from(connections).unwrap_or(usize::MAX).max(1)
    }

    /// The connections, out of those that streams cannot take, that are reserved for peers that have sent a verified webhook.
    pub fn webhook_connections(self) -> usize {
        (self.connections() - self.streams()).div_ceil(4)
    }

    /// Connections that may be streams; the others are for webhooks, reads and health checks.
    pub fn streams(self) -> usize {
        let connections = self.connections();
        connections - (connections / 32).clamp(1, 1024).max(32.min(connections / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_left_for_webhooks_and_for_the_process_itself() {
        for (descriptors, connections, streams, webhooks) in
            [(20_000, 19_872, 19_251, 156), (1_024, 896, 864, 8), (256, 128, 96, 8), (16, 8, 4, 1)]
        {
            let descriptors = Descriptors(descriptors);
            assert_eq!(descriptors.connections(), connections);
            assert_eq!(descriptors.streams(), streams);
            assert_eq!(descriptors.webhook_connections(), webhooks);
        }
    }
}
