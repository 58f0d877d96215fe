//! Sessions that are gone: why, and what is remembered of them.

use serde::{Deserialize, Serialize};

use super::{session::Session, time::StoreTime, transition::Ending};

/// What is remembered of a session that is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone {
    pub because: GoneBecause,
    /// Whether clients might not see it in the end.
    pub was_hidden: bool,
}

/// Why a session is no longer held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum GoneBecause {
    /// LiveKit said so.
    Left,
    /// A newer session of the same identity joined.
    Superseded,
    /// The room started again without it.
    Restarted,
    Finished,
    /// LiveKit's lists omitted it, and its liveness probe did not show that it lives.
    Missing,
}

impl GoneBecause {
    /// Whether a webhook of the session itself proves this wrong, because it was concluded and not said.
    pub fn yields_to_a_webhook(self) -> bool {
        matches!(self, Self::Restarted | Self::Missing)
    }

    /// What it says of when a session ended that is held until `now`.
    pub(super) fn ending(self, session: &Session, now: StoreTime) -> Ending {
        match self {
            Self::Left => Ending::Said,
            Self::Superseded => Ending::Superseded,
            Self::Restarted => Ending::Restarted { last_sign: session.last_sign() },
            Self::Finished => Ending::Finished,
            Self::Missing => Ending::Missing { since: session.life.missing_since.unwrap_or(now) },
        }
    }
}
