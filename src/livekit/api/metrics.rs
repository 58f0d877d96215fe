//! Counts and times the calls to LiveKit's API.

use std::time::Duration;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::metrics::{Buckets, Histograms, RegistryExt, label};

use super::{answer::Answer, error::ApiError, method::Method};

/// Calls by method and outcome, and their time.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    calls: Family<(Method, CallOutcome), Counter>,
    seconds: Histograms<Method>,
}

label! {
    pub(super) enum CallOutcome as "outcome" {
        Ok = "ok",
        NotFound = "not_found",
        Unreachable = "unreachable",
        TimedOut = "timed_out",
        /// 503 `unavailable`: no server responds for the room or the session.
        NoResponse = "no_response",
        Limited = "limited",
        Refused = "refused",
        /// LiveKit understood the call, and does not do this.
        Declined = "declined",
        Failed = "failed",
    }
}

impl CallOutcome {
    pub fn of(answer: &Result<Answer, ApiError>) -> Self {
        match answer {
            Ok(Answer::Ok(_)) => Self::Ok,
            Ok(Answer::NotFound) => Self::NotFound,
            Err(ApiError::Unreachable(_)) => Self::Unreachable,
            Err(ApiError::TimedOut(_)) => Self::TimedOut,
            Err(ApiError::NoResponse) => Self::NoResponse,
            Err(ApiError::Limited(_)) => Self::Limited,
            Err(ApiError::Refused { .. }) => Self::Refused,
            Err(ApiError::Declined { .. }) => Self::Declined,
            Err(
                ApiError::Failed { .. }
                | ApiError::TooLarge(_)
                | ApiError::CutOff(_)
                | ApiError::Unreadable(_),
            ) => Self::Failed,
        }
    }
}

impl ApiMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            calls: registry.register_new("livekit_calls", "Calls to LiveKit's API"),
            seconds: registry.register_seconds(
                "livekit_call",
                "Time of a call to LiveKit's API",
                Buckets { first: 0.001, factor: 2.0, count: 13 },
            ),
        }
    }

    pub(super) fn called(&self, method: Method, outcome: CallOutcome, took: Duration) {
        self.calls.get_or_create(&(method, outcome)).inc();
        self.seconds.get_or_create(&method).observe(took.as_secs_f64());
    }
}
