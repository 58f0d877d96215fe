//! The table `[reconcile]`: how rooms are compared with LiveKit's lists.

use std::time::Duration;

use super::{
    bounds::{DAY, MIN_TIMEOUT},
    values::{Values, duration, switch},
};

/// How rooms are compared with LiveKit's lists.
#[derive(Clone, Debug)]
pub struct ReconcileConfig {
    pub every: Duration,
    pub grace: Duration,
    pub prove_life: bool,
}

impl ReconcileConfig {
    pub(super) fn take(values: &mut Values) -> Self {
        Self {
            every: values.take("reconcile.every", duration(MIN_TIMEOUT..=DAY)),
            grace: values.take("reconcile.grace", duration(Duration::ZERO..=DAY)),
            prove_life: values.take("reconcile.prove_life", switch),
        }
    }
}
