//! Limits how often an address asks.

use crate::http::{limits::client_address::ClientAddress, problem::Problem, state::HttpState};

/// A request for metrics costs as much as this many requests for health: all series are written out for it.
const METRICS_COST: usize = 5;

/// What requests to a route count towards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Limit {
    /// Others limit them, or nobody has to.
    None,
    Reads,
    Health,
    Metrics,
}

impl Limit {
    /// Counts a request.
    pub fn take(
        self,
        http: &HttpState,
        address: impl FnOnce() -> Result<ClientAddress, Problem>,
    ) -> Result<(), Problem> {
        match self {
            Self::None => Ok(()),
            Self::Reads => http.limits.take_reads(address()?, 1),
            Self::Health => http.limits.take_health_checks(address()?, 1),
            Self::Metrics => http.limits.take_health_checks(address()?, METRICS_COST),
        }
    }
}
