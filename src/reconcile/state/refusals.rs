//! How long webhooks have been refused. LiveKit repeats each for fifteen seconds. One that was refused for longer is lost, and
//! those that waited behind it may be.
//!
//! Pure: callers pass the time.

use std::time::{Duration, Instant};

/// Five attempts, with 1, 2, 4 and 8 s between them (`webhook/resource_url_notifier.go` of livekit/protocol).
pub const LIVEKIT_RETRIES_FOR: Duration = Duration::from_secs(15);
/// Refusals that are further apart do not belong to one streak: LiveKit would have repeated a webhook between them.
const MAX_GAP: Duration = Duration::from_secs(10);

/// The streak of refusals, while it lasts.
#[derive(Debug, Default)]
pub struct Refusals(Option<Streak>);

/// Refusals without a longer gap between them.
#[derive(Clone, Copy, Debug)]
struct Streak {
    first: Instant,
    last: Instant,
}

impl Refusals {
    /// A webhook was refused. Like the other methods, returns whether a streak has ended that lasted longer than LiveKit's
    /// repeats.
    pub fn refused(&mut self, now: Instant) -> bool {
        let has_ended = self.look(now);
        self.0.get_or_insert(Streak { first: now, last: now }).last = now;
        has_ended
    }

    /// A webhook was taken. Others may still be refused, for example because there is no memory for large ones.
    pub fn taken(&mut self) -> bool {
        self.0.take_if(|streak| streak.is_too_long()).is_some()
    }

    /// Looks whether no webhook has come for a while.
    pub fn look(&mut self, now: Instant) -> bool {
        let ended = self.0.take_if(|streak| now.duration_since(streak.last) > MAX_GAP);
        ended.is_some_and(|streak| streak.is_too_long())
    }
}

impl Streak {
    fn is_too_long(&self) -> bool {
        self.last.duration_since(self.first) > LIVEKIT_RETRIES_FOR
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses webhooks at these seconds. Returns whether one of them ended a streak that was too long.
    fn refused(refusals: &mut Refusals, start: Instant, at: &[u64]) -> bool {
        at.iter().any(|secs| refusals.refused(start + Duration::from_secs(*secs)))
    }

    #[test]
    fn refusals_that_livekits_repeats_outlast_do_not_sweep_all_rooms() {
        let start = Instant::now();
        for at in [&[0][..], &[0, 1, 3, 7], &[0, 20, 40, 60, 80]] {
            let mut refusals = Refusals::default();
            assert!(!refused(&mut refusals, start, at), "{at:?}");
            assert!(!refusals.taken(), "{at:?}");
            assert!(!refusals.look(start + Duration::from_mins(10)), "{at:?}");
        }
    }

    #[test]
    fn refusals_that_outlast_livekits_repeats_sweep_all_rooms_once_when_they_end() {
        let start = Instant::now();
        let long = [0, 1, 3, 7, 15, 16];
        let mut refusals = Refusals::default();
        assert!(!refused(&mut refusals, start, &long));
        assert!(refusals.taken(), "the next webhook is taken");
        assert!(!refusals.taken(), "once");
        assert!(!refused(&mut refusals, start, &long));
        assert!(!refusals.look(start + Duration::from_secs(20)));
        assert!(refusals.look(start + Duration::from_secs(27)), "nothing comes any more");
        assert!(!refused(&mut refusals, start, &long));
        assert!(refused(&mut refusals, start, &[60]), "the next refusal begins another streak");
    }

    #[test]
    fn webhooks_that_are_taken_do_not_hide_that_others_are_refused() {
        let start = Instant::now();
        let mut refusals = Refusals::default();
        for secs in 0..16 {
            assert!(!refusals.refused(start + Duration::from_secs(secs)));
            assert!(!refusals.taken());
        }
        assert!(!refusals.refused(start + Duration::from_secs(16)));
        assert!(refusals.taken());
    }
}
