//! What a moderator is told where something was not done.

use std::time::Duration;

use crate::{
    error_chain::Chain,
    http::problem::Problem,
    moderation::{Absent, ModerationError},
};

/// LiveKit may work again after this time, in seconds.
const RETRY_SECS: u64 = 2;

impl From<ModerationError> for Problem {
    fn from(error: ModerationError) -> Self {
        let unavailable = |detail| Self::unavailable(detail, RETRY_SECS).because(Chain(&error));
        match &error {
            ModerationError::Absent(absent) => Self::absent(words_for(*absent)),
            ModerationError::Declined { message } => {
                Self::bad_request(format!("LiveKit does not do this: {message}"))
            }
            ModerationError::MayNotUnmute => Self::conflict(
                "LiveKit does not let anybody unmute others; they can unmute themselves, or the operator sets `room.enable_remote_unmute` in LiveKit's configuration",
            ),
            ModerationError::Refused { message } => Self::forbidden(format!(
                "LiveKit does not permit this service to do it ({message}); the operator can check that the first key in `livekit.keys` is one of LiveKit's"
            )),
            ModerationError::TooMany(wait) => Self::too_many(
                "the calls that LiveKit may be asked are used up (`livekit.calls_per_minute`); ask again after the time in `Retry-After`",
                whole_secs(*wait),
            ),
            ModerationError::NoServer => unavailable(
                "no server of LiveKit answers for this at the moment, so nothing was done; ask again, and if it stays so, LiveKit has lost it in a crash",
            ),
            ModerationError::TimedOut => unavailable(
                "LiveKit did not answer in time, and may have done it; look at the list before you ask again",
            ),
            ModerationError::Unreachable(_) => {
                unavailable("LiveKit cannot be reached at the moment, so nothing was done; ask again")
            }
            ModerationError::Unusable(_) => Self::bad_gateway(
                "LiveKit's answer cannot be used, and it may have done it; look at the list before you ask again",
            )
            .because(Chain(&error)),
            ModerationError::Store(store) => store.clone().into(),
            ModerationError::Coordination(_) => {
                unavailable("the store cannot be reached at the moment, so nothing was done; ask again")
            }
            ModerationError::NotShown(_) => unavailable(
                "LiveKit did it, and the list follows with the next comparison; do not ask again",
            ),
        }
    }
}

fn words_for(absent: Absent) -> &'static str {
    match absent {
        Absent::Room => "LiveKit has no such room; it may have ended",
        Absent::Participant => "LiveKit has no such participant in this room; they may have left",
        Absent::Track => "this participant publishes no such track; it may have ended",
    }
}

/// At least the time, and at least a second.
fn whole_secs(time: Duration) -> u64 {
    let secs = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    secs.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_comes_back_when_there_may_be_a_call_and_not_before() {
        for (millis, secs) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (30_000, 30)] {
            assert_eq!(whole_secs(Duration::from_millis(millis)), secs, "{millis} ms");
        }
    }
}
