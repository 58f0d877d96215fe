//! What an operator can set about the rules.

use std::time::Duration;

/// What an operator can set about the rules.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long a room counts as confirmed after its last event or comparison.
    pub trust: Duration,
    /// How much longer it counts as confirmed while more rooms wait for their comparison than the budget of calls allows in that
    /// time.
    pub extra_trust: Duration,
    /// A session that showed life within this time stays although LiveKit's lists omit it, unless LiveKit says that it is gone.
    pub grace: Duration,
    /// Whether doubtful sessions can be probed.
    pub can_probe: bool,
    /// A session that showed life within this time is not probed, unless another session gives reason to doubt.
    pub probe_every: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            trust: Duration::from_mins(1),
            extra_trust: Duration::ZERO,
            grace: Duration::from_secs(5),
            can_probe: true,
            probe_every: Duration::from_secs(20),
        }
    }
}
