//! What moderators did, and what came of it.

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use crate::metrics::{RegistryExt, label};

use super::{act::Action, bans::BanError, error::ModerationError};

/// Counts acts of moderation.
#[derive(Clone, Debug)]
pub struct ModerationMetrics {
    acts: Family<(Action, ActOutcome), Counter>,
}

label! {
    pub(super) enum ActOutcome as "outcome" {
        Done = "done",
        /// LiveKit does not have the room, the participant or the track; or there is no ban.
        NotFound = "not_found",
        /// LiveKit does not do it, or the room has as many bans as it can have.
        Refused = "refused",
        /// The budget of calls is used up.
        TooMany = "too_many",
        /// LiveKit, the store or the database did not answer.
        Unavailable = "unavailable",
        /// LiveKit's answer cannot be used.
        Failed = "failed",
        /// LiveKit did it, and the store did not take that.
        NotShown = "not_shown",
        /// A ban holds, and the database did not take it.
        NotRecorded = "not_recorded",
    }
}

impl ActOutcome {
    pub fn of(error: Option<&ModerationError>) -> Self {
        let Some(error) = error else { return Self::Done };
        match error {
            ModerationError::Absent(_) => Self::NotFound,
            ModerationError::Declined { .. }
            | ModerationError::MayNotUnmute
            | ModerationError::Refused { .. } => Self::Refused,
            ModerationError::TooMany(_) => Self::TooMany,
            ModerationError::NoServer
            | ModerationError::TimedOut
            | ModerationError::Unreachable(_)
            | ModerationError::Store(_)
            | ModerationError::Coordination(_) => Self::Unavailable,
            ModerationError::Unusable(_) => Self::Failed,
            ModerationError::NotShown(_) => Self::NotShown,
        }
    }

    pub fn of_ban(error: &BanError) -> Self {
        match error {
            BanError::Store(_) | BanError::StillRecorded(_) => Self::Unavailable,
            BanError::TooMany => Self::Refused,
            BanError::NotRecorded(_) => Self::NotRecorded,
        }
    }

    /// Whether those who watch the room see what came of the act, so that the feed tells of it.
    pub fn is_seen(self) -> bool {
        match self {
            Self::Done | Self::NotRecorded => true,
            Self::NotFound
            | Self::Refused
            | Self::TooMany
            | Self::Unavailable
            | Self::Failed
            | Self::NotShown => false,
        }
    }
}

impl ModerationMetrics {
    pub fn register(registry: &mut Registry) -> Self {
        Self { acts: registry.register_new("moderation", "What moderators did") }
    }

    pub(super) fn acted(&self, action: Action, outcome: ActOutcome) {
        self.acts.get_or_create(&(action, outcome)).inc();
    }
}
