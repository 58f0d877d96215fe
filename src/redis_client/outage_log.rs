//! Which outages of a Redis are worth a line in the log. One that comes and goes would flood it.
//!
//! Pure: callers pass the time.

use std::time::{Duration, Instant};

/// A Redis that works for this long is steady: what is wrong after that is said anew. An outage that lasts this long is said too.
const STEADY: Duration = Duration::from_mins(1);
/// Reasons that are said until it is steady again.
const MAX_REASONS: usize = 4;

/// What was said of outages.
#[derive(Debug, Default)]
pub(crate) struct OutageLog {
    /// The reasons that were said since it was steady.
    reasons: Vec<String>,
    up_since: Option<Instant>,
    down_since: Option<Instant>,
    /// Whether the last line says that it works.
    says_up: bool,
}

impl OutageLog {
    /// It works now. Returns whether to say so: unless the log says it already.
    pub fn up(&mut self, now: Instant) -> bool {
        self.up_since.get_or_insert(now);
        self.down_since = None;
        !std::mem::replace(&mut self.says_up, true)
    }

    /// It does not work, or still not. Returns whether to say so: once for each reason, and once if it lasts.
    pub fn down(&mut self, reason: &str, now: Instant) -> bool {
        if self.up_since.take().is_some_and(|since| now - since >= STEADY) {
            self.reasons.clear();
        }
        let since = *self.down_since.get_or_insert(now);
        let is_new =
            self.reasons.len() < MAX_REASONS && !self.reasons.iter().any(|one| one == reason);
        if is_new {
            self.reasons.push(reason.to_owned());
        }
        let lasts = self.says_up && now - since >= STEADY;
        if is_new || lasts {
            self.says_up = false;
        }
        is_new || lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_said_once_for_each_reason_and_again_after_a_minute_that_worked() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut log = OutageLog::default();
        assert!(log.up(at(0)));
        for (secs, reason, is_said) in [
            (60, Some("closed"), true),
            (60, Some("closed"), false),
            (61, Some("refused"), true),
            (62, None, true),
            (63, None, false),
            (121, Some("closed"), false),
            (122, None, false),
            (123, Some("silent"), true),
            (124, None, true),
            (184, Some("closed"), true),
            (185, Some("silent"), true),
        ] {
            let said = match reason {
                Some(reason) => log.down(reason, at(secs)),
                None => log.up(at(secs)),
            };
            assert_eq!(said, is_said, "{secs} {reason:?}");
        }
    }

    #[test]
    fn a_connection_that_flaps_for_an_hour_is_said_once() {
        let start = Instant::now();
        let mut log = OutageLog::default();
        let mut lines = 0;
        for second in 0..3_600 {
            let now = start + Duration::from_secs(second);
            lines += u32::from(log.up(now)) + u32::from(log.down("closed", now));
        }
        assert_eq!(lines, 3, "up, down, and up again");
    }

    #[test]
    fn an_outage_that_lasts_is_said_though_its_reason_was_said_before() {
        let start = Instant::now();
        let at = |secs| start + Duration::from_secs(secs);
        let mut log = OutageLog::default();
        log.up(at(0));
        log.down("closed", at(1));
        log.up(at(2));
        let said: Vec<_> = [3, 30, 62, 63, 64, 900].map(|secs| log.down("closed", at(secs))).into();
        assert_eq!(said, [false, false, false, true, false, false]);
        assert!(log.up(at(901)));
    }

    #[test]
    fn reasons_that_differ_each_time_are_said_four_times() {
        let now = Instant::now();
        let mut log = OutageLog::default();
        let said = (0..20).filter(|number| log.down(&format!("reason {number}"), now)).count();
        assert_eq!(said, 4);
    }
}
