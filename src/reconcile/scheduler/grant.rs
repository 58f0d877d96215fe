//! Which room comes next, and the call that its comparison costs.

use std::time::Instant;

use crate::{
    presence::RoomName,
    reconcile::{
        calls::ListCall,
        state::{
            budget::{Budget, CallPurpose},
            queue::{Due, Importance},
            schedule::Schedule,
        },
    },
};

/// A comparison that may be made now.
pub struct Grant {
    pub room: RoomName,
    pub importance: Importance,
    pub purpose: CallPurpose,
    /// Whether a call of this purpose was taken for it.
    pub call: ListCall,
    pub due_since: Instant,
    /// The latest time for which it was wanted.
    pub wanted_at: Instant,
}

impl Grant {
    /// The most important room that is due and for which the budget has a call, or for which none is needed. If there is none,
    /// lowers `look_again` to when there may be one.
    pub fn next(
        schedule: &mut Schedule,
        lists_are_free: bool,
        now: Instant,
        look_again: &mut Instant,
    ) -> Option<Self> {
        let Schedule { queue, budget, .. } = schedule;
        let mut granted = None;
        for due in queue.due(now) {
            if lists_are_free {
                granted = Some(Self::of(due, CallPurpose::of(due.importance), ListCall::NotNeeded));
                break;
            }
            match take_call(budget, due, queue.is_watched(due.room), now) {
                Ok(purpose) => {
                    granted = Some(Self::of(due, purpose, ListCall::Taken));
                    break;
                }
                Err(ready_at) => *look_again = ready_at.min(*look_again),
            }
        }
        let serves_a_client =
            granted.as_ref().is_some_and(|granted| granted.importance == Importance::Waiting);
        if !serves_a_client && !lists_are_free {
            schedule.answer_awaited(now);
        }
        granted
    }

    fn of(due: Due<'_>, purpose: CallPurpose, call: ListCall) -> Self {
        let Due { room, importance, since, newest } = due;
        Self { room: room.clone(), importance, purpose, call, due_since: since, wanted_at: newest }
    }
}

/// Takes the call that a comparison costs. A stream that begins waits for its room, which is watched by now: if clients who wait
/// have used up their share, it takes from that of watched rooms.
fn take_call(
    budget: &mut Budget,
    due: Due<'_>,
    is_watched: bool,
    now: Instant,
) -> Result<CallPurpose, Instant> {
    let own = CallPurpose::of(due.importance);
    let mut take = |purpose| budget.take(purpose, now).map(|()| purpose);
    take(own).or_else(|ready_at| match own {
        CallPurpose::Waiting if is_watched => {
            take(CallPurpose::Watched).map_err(|other| other.min(ready_at))
        }
        _ => Err(ready_at),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stream_that_begins_has_the_share_of_watched_rooms_besides_that_of_waiting_clients() {
        let start = Instant::now();
        let room = RoomName::parse("general").unwrap();
        let due = Due { room: &room, importance: Importance::Waiting, since: start, newest: start };
        let granted_within_two_seconds = |is_watched| {
            let mut budget = Budget::new(600, start);
            let moments = (0..2_000).map(|millis| start + Duration::from_millis(millis));
            let granted = moments
                .flat_map(|now| std::iter::repeat_n(now, 60))
                .filter_map(|now| take_call(&mut budget, due, is_watched, now).ok());
            granted.count()
        };
        assert_eq!(granted_within_two_seconds(false), 39);
        assert_eq!(granted_within_two_seconds(true), 49);
    }
}
