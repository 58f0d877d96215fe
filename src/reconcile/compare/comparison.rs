//! A comparison: asks for LiveKit's list, computes repairs from it by the rules of `presence`, and repairs the room.

use std::time::{Duration, Instant};

use tracing::debug;

use crate::{
    error_chain::Chain,
    presence::{
        Listing, Repairs, Room, RoomName, SessionInfo, Standing, StoreTime, plan, plan_without_list,
    },
    reconcile::{
        banned::banned_among,
        calls::ListCall,
        context::Context,
        failure::Failure,
        probe::{missing::Probes, prober::Prober},
        state::{budget::CallPurpose, outcome::ComparisonOutcome, queue::Importance},
    },
};

use super::list_request::{Inside, ListRequest};

/// If the room started or finished meanwhile, its repairs no longer apply, and the room is compared again: up to this many tries
/// in all.
const MAX_TRIES: usize = 3;
/// If LiveKit has nobody in a room that no store holds, that is believed for this long. A webhook would bring the room into the
/// store.
const EMPTY_FOR: Duration = Duration::from_secs(30);

/// The comparison of one room.
#[derive(Clone, Copy)]
pub struct Comparison<'room> {
    pub context: &'room Context,
    pub room: &'room RoomName,
    pub importance: Importance,
    /// What its calls are for.
    pub purpose: CallPurpose,
}

/// How one try to bring a room into line ended.
enum Try {
    Ended(ComparisonOutcome),
    /// Another list may decide more. Without it, this is the outcome.
    Again(ComparisonOutcome),
}

impl<'room> Comparison<'room> {
    /// Asks LiveKit for its list, and brings the room into line with it. `probes` holds what is known of the people whom an
    /// earlier list omitted, and takes in what is learnt of those whom this one omits.
    pub async fn compare(&self, call: ListCall, probes: &mut Probes<'room>) -> ComparisonOutcome {
        let outcome = match self.bring_into_line(call, probes).await {
            Ok(outcome) => outcome,
            Err(Failure::NoBudget) => ComparisonOutcome::Unknown,
            Err(error) => {
                debug!(room.name = %self.room, error = %Chain(&error), "cannot compare a room");
                ComparisonOutcome::Unknown
            }
        };
        self.context.metrics.compared(self.importance, outcome == ComparisonOutcome::Confirmed);
        outcome
    }

    pub(super) fn prober(&self) -> Prober<'room> {
        Prober { context: self.context, room: self.room, purpose: self.purpose }
    }

    /// What another list costs. None if it cannot be had soon.
    pub(super) async fn another_list(&self) -> Option<ListCall> {
        self.context.list_call_soon(self.purpose).await
    }

    /// A room that the store does not hold stays out of it while nobody is inside.
    pub(super) fn nobody_inside(&self, asked_at: StoreTime) -> ComparisonOutcome {
        let until = asked_at + self.context.rules.trust.min(EMPTY_FOR);
        self.context.empty_rooms.remember(self.room, until, asked_at);
        ComparisonOutcome::Confirmed
    }

    /// When LiveKit was asked for its rooms, if it did not have this one.
    pub(super) async fn unlisted_at(&self) -> Option<StoreTime> {
        let asked_at = self.context.store.now().await.ok()?;
        if let Some(is_kept) = self.context.has_kept(self.room).await {
            return (!is_kept).then_some(asked_at);
        }
        let listed = self.context.listed_rooms().await?;
        (!listed.names.contains(self.room)).then_some(listed.asked_at)
    }

    async fn bring_into_line(
        &self,
        call: ListCall,
        probes: &mut Probes<'room>,
    ) -> Result<ComparisonOutcome, Failure> {
        // The call for the first try was taken when the comparison was given out, if it needs one.
        let mut ended = self.try_once(call, probes).await?;
        for _ in 1..MAX_TRIES {
            if matches!(ended, Try::Ended(_)) {
                break;
            }
            let Some(call) = self.another_list().await else { break };
            ended = self.try_once(call, probes).await?;
        }
        let (Try::Ended(outcome) | Try::Again(outcome)) = ended;
        Ok(outcome)
    }

    async fn try_once(&self, call: ListCall, probes: &mut Probes<'room>) -> Result<Try, Failure> {
        let asked_at = self.context.store.now().await?;
        let began = Instant::now();
        let request = ListRequest { context: self.context, room: self.room, purpose: self.purpose };
        let inside = request.send(call).await?;
        if let Inside::People(sessions) = &inside {
            self.context.compare_signers(self.room, sessions, began);
        }
        let held = self.context.store.read(self.room).await?;
        self.tell_of_banned(&inside, held.as_deref(), asked_at);
        let is_nobody = matches!(&inside, Inside::People(sessions) if sessions.is_empty());
        if held.is_none() && is_nobody {
            return Ok(Try::Ended(self.nobody_inside(asked_at)));
        }
        self.context.empty_rooms.forget(self.room);
        let is_calling = match &inside {
            Inside::People(sessions) => Some(has_somebody_called(sessions, held.as_deref())),
            Inside::Unsaid => None,
        };
        let held = held.unwrap_or_default();
        self.context.compare_metadata(self.room, &held, asked_at).await;
        let repairs = match inside {
            Inside::People(sessions) => {
                self.plan(&held, &Listing { asked_at, sessions }, probes).await?
            }
            Inside::Unsaid => plan_without_list(&held, asked_at),
        };
        if self.context.repair(self.room, held, &repairs).await?.is_refused {
            return Ok(Try::Again(ComparisonOutcome::Unknown));
        }
        if let Some(is_calling) = is_calling {
            self.context.note_calling(self.room, is_calling);
        }
        let is_decided = repairs.confirms && probes.is_decided();
        let outcome =
            if is_decided { ComparisonOutcome::Confirmed } else { ComparisonOutcome::Undecided };
        Ok(if probes.wants_list_at_once() { Try::Again(outcome) } else { Try::Ended(outcome) })
    }

    /// Has those removed whom LiveKit lists though they are banned.
    fn tell_of_banned(&self, inside: &Inside, held: Option<&Room>, asked_at: StoreTime) {
        if let (Inside::People(sessions), Some(held)) = (inside, held) {
            for one in banned_among(held, sessions, asked_at) {
                self.context.banned.found_inside(self.room, &one.identity, &one.sid);
            }
        }
    }

    /// Computes repairs from a list, after those whom it omits were probed.
    async fn plan(
        &self,
        held: &Room,
        listing: &Listing,
        probes: &mut Probes<'room>,
    ) -> Result<Repairs, Failure> {
        let rules = &self.context.rules;
        self.prober().probe_missing(held, listing, probes).await?;
        let living = probes.living();
        self.context.look_for_the_living(self.room, held, living, listing.asked_at).await;
        let unlisted_at = match self.importance {
            Importance::Listed if listing.sessions.is_empty() => self.unlisted_at().await,
            _ => None,
        };
        let planned = plan(held, listing, probes.answers(), rules);
        probes
            .judged_by(&planned, |probed| held.is_past_grace(&probed.sid, probed.asked_at, rules));
        Ok(Repairs { unlisted_at, ..planned })
    }
}

/// Whether somebody whom LiveKit lists is called by telephone. A ghost is not.
fn has_somebody_called(listed: &[SessionInfo], held: Option<&Room>) -> bool {
    let is_hidden = |info: &SessionInfo| {
        let mut sessions = held.into_iter().flat_map(Room::sessions);
        let held = sessions.find(|session| *session.sid() == info.sid);
        held.is_some_and(|session| session.standing() != Standing::Present)
    };
    let mut called =
        listed.iter().filter(|info| info.is_visible() && info.profile.is_being_called());
    called.any(|info| !is_hidden(info))
}
