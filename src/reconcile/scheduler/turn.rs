//! One room's turn: its comparison, from the grant to what follows it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::reconcile::{
    calls::ListCall,
    compare::{comparison::Comparison, lease::Begun},
    context::Context,
    probe::{listed::Doubts, missing::Probes},
    settings::{CALLING_EVERY, jittered},
    state::{
        health::MAX_BACKOFF, outcome::ComparisonOutcome, queue::Importance, schedule::Schedule,
    },
};

use super::grant::Grant;

/// A room's next turn comes after this part of its interval at the soonest, when another instance has compared it: turns are due
/// after four fifths of it, and only a comparison that is younger than three fifths stands for one.
const SOONEST: f64 = 0.2;

pub struct Turn {
    context: Arc<Context>,
    grant: Grant,
}

/// Who made the comparison of a turn.
#[derive(Clone, Copy)]
enum MadeBy {
    ThisInstance,
    /// This long ago.
    Another {
        age: Duration,
    },
}

impl Turn {
    pub fn new(context: Arc<Context>, grant: Grant) -> Self {
        Self { context, grant }
    }

    /// Compares the room, tells those who wait for it, and then probes whom that leaves in doubt.
    pub async fn run(self) {
        let comparison = self.comparison();
        let mut probes = Probes::default();
        let outcome = match comparison.begin(self.grant.call, self.grant.wanted_at).await {
            Ok(Begun::Now(held)) => {
                let outcome = comparison.compare(self.grant.call, &mut probes).await;
                comparison.end(held).await;
                outcome
            }
            Ok(Begun::Done(age)) => {
                self.give_call_back(&mut self.context.schedule());
                return self.finish(ComparisonOutcome::Confirmed, MadeBy::Another { age });
            }
            Ok(Begun::Later(wait)) => return self.postpone(wait),
            Ok(Begun::NoCall) => return self.put_back(),
            Err(_) => ComparisonOutcome::Unknown,
        };
        self.finish(outcome, MadeBy::ThisInstance);
        if outcome == ComparisonOutcome::Unknown {
            return;
        }
        // From here on nobody waits, and the room may be compared again meanwhile.
        let room = &self.grant.room;
        let Some(_slot) = self.context.probe_slots.take(room).await else { return };
        let (purpose, doubts) = {
            let mut schedule = self.context.schedule();
            (schedule.purpose_of_probes(room), self.doubts(&mut schedule))
        };
        let comparison = Comparison { purpose, ..comparison };
        comparison.settle(probes).await;
        comparison.probe_all_listed(doubts).await;
    }

    fn comparison(&self) -> Comparison<'_> {
        let Grant { room, importance, purpose, .. } = &self.grant;
        Comparison { context: &self.context, room, importance: *importance, purpose: *purpose }
    }

    /// Whom to probe. A room that is compared often has no more probes for that in quiet times.
    fn doubts(&self, schedule: &mut Schedule) -> Doubts {
        let is_regular = self.grant.importance == Importance::Watched;
        match !is_regular || schedule.intervals.take_probe(&self.grant.room) {
            true => Doubts::AndTheSilent,
            false => Doubts::Only,
        }
    }

    fn finish(&self, outcome: ComparisonOutcome, by: MadeBy) {
        let room = &self.grant.room;
        let mut schedule = self.context.schedule();
        let now = Instant::now();
        schedule.tell(room, outcome);
        schedule.running -= 1;
        if schedule.sweeping.remove(room) {
            self.context.swept.notify_one();
        }
        if outcome == ComparisonOutcome::Confirmed {
            schedule.troubles.is_well(room);
        }
        let not_before = schedule.troubles.until(room, now);
        let due = now + self.plan_next(&mut schedule, outcome, by);
        schedule.queue.finish(room, due.max(not_before.unwrap_or(due)));
        if schedule.is_calling(room) {
            schedule.want(room, Importance::Calling, now + jittered(CALLING_EVERY));
        }
        if outcome == ComparisonOutcome::Unknown {
            self.want_again(&mut schedule, not_before.unwrap_or(now + MAX_BACKOFF));
        }
        drop(schedule);
        self.context.wake.notify_one();
    }

    /// After which time the room is compared again, if it is watched. If another instance has compared it, that counts from there.
    fn plan_next(
        &self,
        schedule: &mut Schedule,
        outcome: ComparisonOutcome,
        by: MadeBy,
    ) -> Duration {
        let Grant { room, importance, .. } = &self.grant;
        let is_regular = *importance == Importance::Watched;
        let says_something = outcome != ComparisonOutcome::Unknown;
        match by {
            MadeBy::ThisInstance => {
                jittered(schedule.intervals.plan(room, is_regular && says_something))
            }
            MadeBy::Another { age } => {
                let interval = schedule.intervals.plan(room, false);
                what_is_left(interval, jittered(interval), age)
            }
        }
    }

    /// Nothing was learnt about the room, so it is compared again. Not if only a client wanted it, which will ask again, or if
    /// its regular turn is enough.
    fn want_again(&self, schedule: &mut Schedule, at: Instant) {
        let Grant { room, importance, .. } = &self.grant;
        let again = match importance {
            Importance::Known => Importance::Known,
            _ if schedule.queue.is_watched(room) => Importance::Suspicious,
            Importance::Suspicious => Importance::Known,
            Importance::Waiting
            | Importance::Calling
            | Importance::Watched
            | Importance::Listed => return,
        };
        schedule.queue.want(room, again, at);
    }

    /// The comparison cannot be made now, because another instance has the room's lease: the room goes back into the queue.
    fn postpone(&self, wait: Duration) {
        let Grant { room, importance, .. } = &self.grant;
        let mut schedule = self.context.schedule();
        let now = Instant::now();
        self.give_call_back(&mut schedule);
        schedule.running -= 1;
        let due = now + jittered(schedule.intervals.of(room));
        schedule.queue.finish(room, due);
        schedule.queue.want(room, *importance, now + wait);
        drop(schedule);
        self.context.wake.notify_one();
    }

    /// The comparison cannot be made, because all instances together have no call left: the room keeps its place in the queue,
    /// and clients who wait for it are answered with what is known.
    fn put_back(&self) {
        let mut schedule = self.context.schedule();
        self.give_call_back(&mut schedule);
        schedule.running -= 1;
        schedule.queue.put_back(&self.grant.room);
        if self.grant.importance == Importance::Waiting {
            schedule.answer_awaited(Instant::now());
        }
        drop(schedule);
        self.context.wake.notify_one();
    }

    /// Gives the call back that was taken from this instance's budget, if one was.
    fn give_call_back(&self, schedule: &mut Schedule) {
        if self.grant.call == ListCall::Taken {
            schedule.budget.give_back(self.grant.purpose, Instant::now());
        }
    }
}

/// How long to wait for a room's next turn, which is due this time after the comparison that another instance has made.
fn what_is_left(interval: Duration, due_after: Duration, age: Duration) -> Duration {
    due_after.saturating_sub(age).max(interval.mul_f64(SOONEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_due_an_interval_after_the_comparison_of_another_instance() {
        let secs = Duration::from_secs;
        assert_eq!(what_is_left(secs(30), secs(27), secs(5)), secs(22));
        assert_eq!(what_is_left(secs(30), secs(24), secs(18)), secs(6));
        assert_eq!(what_is_left(secs(30), secs(24), secs(40)), secs(6), "but never at once");
    }
}
