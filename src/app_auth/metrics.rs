//! What is counted of the app's answers.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

use super::error::AuthorizeError;

/// Counts requests to the app.
#[derive(Clone, Debug)]
pub struct AppAuthMetrics {
    fetches: Family<FetchOutcome, Counter>,
    authorizations: Family<AuthorizeOutcome, Counter>,
}

label! {
    /// What became of a request for the app's keys.
    pub(super) enum FetchOutcome as "outcome" {
        Ok = "ok",
        Failed = "failed",
    }
}

label! {
    /// What the app answered when it was asked who somebody is.
    pub(super) enum AuthorizeOutcome as "outcome" {
        Ok = "ok",
        /// The app refused.
        Refused = "refused",
        /// It could not be reached, or did not answer in time.
        Unreachable = "unreachable",
        /// It was not asked, because too many others waited for it.
        Busy = "busy",
        /// It answered something else.
        Failed = "failed",
    }
}

impl FetchOutcome {
    pub fn of(is_ok: bool) -> Self {
        if is_ok { Self::Ok } else { Self::Failed }
    }
}

impl AuthorizeOutcome {
    pub fn of<T>(answer: &Result<T, AuthorizeError>) -> Self {
        match answer {
            Ok(_) => Self::Ok,
            Err(
                AuthorizeError::Unknown(_)
                | AuthorizeError::Refused(_)
                | AuthorizeError::Limited(_),
            ) => Self::Refused,
            Err(AuthorizeError::Exchange(_)) => Self::Unreachable,
            Err(AuthorizeError::Busy) => Self::Busy,
            Err(
                AuthorizeError::Redirect(_)
                | AuthorizeError::Failed(_)
                | AuthorizeError::Unreadable(_),
            ) => Self::Failed,
        }
    }
}

impl AppAuthMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self {
            fetches: registry.register_new("app_key_fetches", "Requests for the app's keys"),
            authorizations: registry.register_new(
                "app_authorizations",
                "Requests to the app about who asks for a token",
            ),
        }
    }

    pub(super) fn fetched(&self, outcome: FetchOutcome) {
        self.fetches.get_or_create(&outcome).inc();
    }

    pub(super) fn authorized(&self, outcome: AuthorizeOutcome) {
        self.authorizations.get_or_create(&outcome).inc();
    }
}
