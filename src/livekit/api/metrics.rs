//! Counts and times the calls to LiveKit's API.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{answer::Answer, error::ApiError, method::Method};

/// Calls by method and outcome, and their time.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    calls: Family<CallLabels, Counter>,
    seconds: Family<MethodLabel, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    method: Method,
    outcome: CallOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "these are the labels as operators see them")]
pub(super) enum CallOutcome {
    ok,
    not_found,
    unreachable,
    timed_out,
    /// 503 `unavailable`: no server responds for the room or the session.
    no_response,
    limited,
    refused,
    failed,
}

impl CallOutcome {
    pub fn of(answer: &Result<Answer, ApiError>) -> Self {
        match answer {
            Ok(Answer::Ok(_)) => Self::ok,
            Ok(Answer::NotFound) => Self::not_found,
            Err(ApiError::Unreachable(_)) => Self::unreachable,
            Err(ApiError::TimedOut(_)) => Self::timed_out,
            Err(ApiError::NoResponse) => Self::no_response,
            Err(ApiError::Limited(_)) => Self::limited,
            Err(ApiError::Refused { .. }) => Self::refused,
            Err(
                ApiError::Failed { .. }
                | ApiError::TooLarge(_)
                | ApiError::CutOff(_)
                | ApiError::Unreadable(_),
            ) => Self::failed,
        }
    }
}

impl ApiMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 13))
            }),
        };
        registry.register("livekit_calls", "Calls to LiveKit's API", metrics.calls.clone());
        registry.register_with_unit(
            "livekit_call",
            "Time of a call to LiveKit's API",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }

    pub(super) fn called(&self, method: Method, outcome: CallOutcome, took: Duration) {
        self.calls.get_or_create(&CallLabels { method, outcome }).inc();
        self.seconds.get_or_create(&MethodLabel { method }).observe(took.as_secs_f64());
    }
}
