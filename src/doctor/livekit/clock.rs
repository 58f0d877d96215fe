//! Whether LiveKit's clock and ours agree, as far as tokens need it.

use axum::http::Response;
use hyper::body::Bytes;

use crate::{
    clock::Clock,
    doctor::finding::{Check, Checked},
    livekit::LEEWAY_SECS,
};

use super::secs_ahead;

/// A webhook's token is valid from when LiveKit signs it, for five minutes.
const WEBHOOK_TOKEN_SECS: i64 = 300;
/// Differences that answers may have by the way.
const TOLERATED_SECS: i64 = 5;

pub(in crate::doctor) fn check(answer: Option<&Response<Bytes>>, clock: &Clock) -> Checked {
    let Some(answer) = answer else {
        return Checked::skipped(Check::Clock, "LiveKit did not answer");
    };
    match secs_ahead(answer, clock) {
        Some(ahead) => judge(ahead),
        None => Checked::skipped(Check::Clock, "LiveKit's answer has no Date"),
    }
}

fn judge(ahead: i64) -> Checked {
    let leeway = LEEWAY_SECS.cast_signed();
    let by = ahead.abs();
    let than = if ahead > 0 { "ahead of" } else { "behind" };
    let checked = Checked::of(Check::Clock);
    let what = format!("LiveKit's clock is {by} s {than} the clock of this machine");
    let remedy = "Let NTP set the clocks of both machines.";
    if ahead > leeway || ahead < -(WEBHOOK_TOKEN_SECS + leeway) {
        return checked.wrong(format!("{what}, so that its webhooks are refused."), remedy);
    }
    if by > TOLERATED_SECS {
        return checked.warning(
            format!("{what}; from {leeway} s on, tokens are refused that were just made."),
            remedy,
        );
    }
    checked.saying(format!("LiveKit's and ours differ by {by} s"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn clocks_may_differ_by_what_tokens_allow() {
        for (ahead, expected) in [
            (0, Verdict::Ok),
            (-5, Verdict::Ok),
            (30, Verdict::Warning),
            (-300, Verdict::Warning),
            (61, Verdict::Wrong),
            (-361, Verdict::Wrong),
        ] {
            assert_eq!(judge(ahead).verdict, expected, "{ahead}");
        }
    }
}
