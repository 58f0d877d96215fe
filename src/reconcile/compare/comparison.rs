//! One room compared with LiveKit's own list, and the sessions in it probed that give reason to doubt.
//!
//! What it costs: a call for the list, and where that omits nobody nothing else. One probe for each session that it omits, at
//! most `MAX_PROBES` at once and [`ROUNDS`] times as many per comparison; a second list if one of them is
//! not answered. Where it omits more than that, `ListRooms` is asked too: in a room that LiveKit does not have, a sample of
//! whom nobody lives speaks for the others. Those who were not asked stay, and the next comparison goes on.

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

use crate::{
    coordination::{Lease, LeaseToken},
    livekit::ApiError,
    presence::{
        Listing, ProbeAnswer, ProbeTarget, Repair, Repaired, Repairs, Room, RoomName, SessionInfo,
        Standing, StoreTime, missing, plan, plan_without_list,
    },
    store::StoreError,
};

use crate::reconcile::{
    api_health::About,
    context::{CALLING_EVERY, Scheduler},
    failure::Failure,
    gateway::{LEASE, LOOK_AGAIN},
    metrics::RepairKind,
    probe::omitted::Probes,
    state::{budget::CallPurpose, queue::Importance},
};

/// Without an answer within this time, `ListRooms` is asked beside: where lists come from the nodes themselves
/// (`enable_psrpc_for_get_list_participants`), a room that closed and a room whose node is gone both end in a 503 after
/// three seconds.
const SLOW: Duration = Duration::from_secs(1);
/// A watched room is left alone if another instance compared it within this part of the time after which it is due.
const LATELY: f64 = 0.6;
/// Repairs computed before a start or finish of the room do not apply after it. Then it is compared again, this many times.
const TRIES: usize = 3;
/// After a failed probe the room is compared and its sessions are probed again at once, up to this many times.
const PROBE_ROUNDS: usize = 8;
/// That nobody is in a room that no store holds is believed for this long: any webhook of it would bring it into the store.
const EMPTY_FOR: Duration = Duration::from_secs(30);
/// Probes under way at the same time. One that fails takes three seconds.
const PROBES_AT_ONCE: usize = 16;
/// An answer that comes within this time is waited for before the room is repaired: a living session's does, within
/// milliseconds, and clients may wait for this comparison.
const QUICK: Duration = Duration::from_millis(700);
/// How often a comparison asks for a list because of those whom the one before omits, and probes more of them.
const ROUNDS: usize = 4;
/// A call that is wanted because somebody is missing waits this long for the budget.
const BUDGET_TIMEOUT: Duration = Duration::from_secs(1);

/// What LiveKit said about who is inside.
enum Asked {
    Listed(Vec<SessionInfo>),
    /// The room is there, and nobody says who is inside.
    Exists,
}

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOutcome {
    /// The room was brought into line with LiveKit's list.
    Confirmed,
    /// LiveKit has the room, and does not say who is inside, or whether somebody is gone: probes decide.
    Undecided,
    /// LiveKit, or the store, did not say.
    Unknown,
}

/// Whether a comparison has to be made.
enum Begun {
    Now(LeaseToken),
    /// Another instance is at it.
    Later(Duration),
    /// All instances together have no call left.
    NoCall,
    /// Another instance has made it.
    Done,
}

/// A comparison under way.
#[derive(Clone, Copy)]
pub struct Comparison<'inner> {
    pub inner: &'inner Scheduler,
    pub room: &'inner RoomName,
    pub importance: Importance,
    /// What further calls are for.
    pub purpose: CallPurpose,
}

impl<'inner> Comparison<'inner> {
    /// Asks LiveKit for its list, and brings the room into line with it. `probes` has what is known of those whom an earlier
    /// list omitted, and gets what is known of those whom this one does.
    pub async fn compare(&self, probes: &mut Probes<'inner>) -> ComparisonOutcome {
        let outcome = match self.bring_into_line(probes).await {
            Ok(outcome) => outcome,
            Err(Failure::NoBudget) => ComparisonOutcome::Unknown,
            Err(error) => {
                debug!(room.name = %self.room, %error, "cannot compare a room");
                ComparisonOutcome::Unknown
            }
        };
        self.inner.metrics.compared(self.importance, outcome == ComparisonOutcome::Confirmed);
        outcome
    }

    /// Probes those who are listed and give reason to doubt, until nobody fails a probe that no comparison has judged yet.
    pub async fn probe_all_listed(&self) {
        for _ in 0..PROBE_ROUNDS {
            match self.probe_round().await {
                Ok(ProbeRound::NobodyFailed) | Err(_) => return,
                Ok(ProbeRound::SomebodyFailed) => {
                    // Only who is still listed after its failures is evicted.
                    let Ok(Some(held)) = self.inner.peers.lease(&self.lease(), LEASE).await else {
                        return;
                    };
                    let mut probes = Probes::default();
                    let outcome = match self.inner.allowance(self.purpose).await {
                        Ok(()) => self.compare(&mut probes).await,
                        Err(_) => ComparisonOutcome::Unknown,
                    };
                    self.end(held).await;
                    self.inner.tell(self.room, outcome);
                    if outcome == ComparisonOutcome::Unknown {
                        return;
                    }
                    self.settle(probes).await;
                }
            }
        }
    }

    /// Waits for the probes that take long, and asks for another list where that decides.
    pub async fn settle(&self, mut probes: Probes<'inner>) {
        for _ in 1..ROUNDS {
            if !probes.is_open() {
                return;
            }
            self.hear(&mut probes, None).await;
            if !probes.wants_list() {
                // Those who live are known to live, and nobody else is undecided because of this.
                return self.inner.tell(self.room, ComparisonOutcome::Undecided);
            }
            let Ok(Some(held)) = self.inner.peers.lease(&self.lease(), LEASE).await else { return };
            let outcome = match self.may_call_soon().await {
                true => self.compare(&mut probes).await,
                false => ComparisonOutcome::Unknown,
            };
            self.end(held).await;
            self.inner.tell(self.room, outcome);
            if outcome == ComparisonOutcome::Unknown {
                return;
            }
        }
    }

    /// One instance at a time compares a room, and none if another has done what is wanted.
    async fn begin(&self, wanted_at: Instant) -> Result<Begun, Failure> {
        let Some(held) = self.inner.peers.lease(&self.lease(), LEASE).await? else {
            return Ok(Begun::Later(LOOK_AGAIN.mul_f64(1.0 + fastrand::f64())));
        };
        match self.is_not_to_begin(wanted_at).await {
            Ok(None) => Ok(Begun::Now(held)),
            Ok(Some(begun)) => {
                self.end(held).await;
                Ok(begun)
            }
            Err(error) => {
                self.end(held).await;
                Err(error)
            }
        }
    }

    /// Why it is not to be made now, if so. Otherwise a call was taken for it.
    async fn is_not_to_begin(&self, wanted_at: Instant) -> Result<Option<Begun>, Failure> {
        // Where LiveKit does not have the room, its own list would say no more.
        if self.is_done(wanted_at).await? || self.is_unlisted_and_empty().await? {
            return Ok(Some(Begun::Done));
        }
        let is_taken = self.inner.take_shared_call(self.purpose).await?.is_zero();
        Ok((!is_taken).then_some(Begun::NoCall))
    }

    async fn end(&self, held: LeaseToken) {
        // It ends by itself too.
        let _ = self.inner.peers.release(&self.lease(), held).await;
    }

    fn lease(&self) -> Lease {
        Lease::Comparison(self.room.clone())
    }

    /// Whether another instance has brought the room into line since this comparison was wanted; a watched room, whether that
    /// was lately.
    async fn is_done(&self, wanted_at: Instant) -> Result<bool, StoreError> {
        let Some(held) = self.inner.store.position(self.room).await? else { return Ok(false) };
        let now = self.inner.store.now().await?;
        let waited = match self.importance {
            Importance::Watched => self.inner.interval().mul_f64(LATELY),
            Importance::Calling => CALLING_EVERY.mul_f64(LATELY),
            _ => wanted_at.elapsed(),
        };
        // A store whose clock was ahead may have written it.
        Ok(held.compared_at >= now - waited && held.compared_at <= now)
    }

    async fn bring_into_line(
        &self,
        probes: &mut Probes<'inner>,
    ) -> Result<ComparisonOutcome, Failure> {
        let mut again = None;
        for _ in 0..TRIES {
            if let Some(outcome) = again
                && !self.may_call_soon().await
            {
                return Ok(outcome);
            }
            let asked_at = self.inner.store.now().await?;
            let began = Instant::now();
            let asked = self.ask().await?;
            if let Asked::Listed(sessions) = &asked {
                self.inner.compare_signers(self.room, sessions, began);
            }
            let held = self.inner.store.read(self.room).await?;
            let is_nobody = matches!(&asked, Asked::Listed(sessions) if sessions.is_empty());
            if held.is_none() && is_nobody {
                return Ok(self.nobody_inside(asked_at));
            }
            self.inner.empty_rooms.forget(self.room);
            let is_calling = match &asked {
                Asked::Listed(sessions) => Some(has_somebody_called(sessions, held.as_deref())),
                Asked::Exists => None,
            };
            let held = held.unwrap_or_default();
            let repairs = match asked {
                Asked::Listed(sessions) => {
                    let listing = Listing { asked_at, sessions };
                    self.probe_missing(&held, &listing, probes).await?;
                    let unlisted_at = match self.importance {
                        Importance::Listed if is_nobody => self.unlisted_at().await,
                        _ => None,
                    };
                    let planned = plan(&held, &listing, probes.answers(), &self.inner.rules);
                    probes.judged_by(&planned, |probed| {
                        held.is_past_grace(&probed.sid, probed.asked_at, &self.inner.rules)
                    });
                    Repairs { unlisted_at, ..planned }
                }
                Asked::Exists => plan_without_list(&held, asked_at),
            };
            let is_refused = self.repair(held, &repairs).await?.is_refused;
            let outcome = match repairs.confirms && probes.is_decided() {
                _ if is_refused => ComparisonOutcome::Unknown,
                true => ComparisonOutcome::Confirmed,
                false => ComparisonOutcome::Undecided,
            };
            if let Some(is_calling) = is_calling.filter(|_| !is_refused) {
                self.inner.is_calling(self.room, is_calling);
            }
            if !is_refused && !probes.wants_list_at_once() {
                return Ok(outcome);
            }
            again = Some(outcome);
        }
        Ok(again.unwrap_or(ComparisonOutcome::Unknown))
    }

    /// Probes those whom the list omits, as far as they were not probed already. Waits for those answers that come quickly.
    async fn probe_missing(
        &self,
        held: &Room,
        listing: &Listing,
        probes: &mut Probes<'inner>,
    ) -> Result<(), Failure> {
        let sample = probes.choose(missing(held, listing, &self.inner.rules));
        if !sample.is_empty() {
            let asked_at = self.inner.store.now().await?;
            for target in sample {
                let comparison = *self;
                let sid = target.sid.clone();
                probes.add(sid, asked_at, async move { comparison.probe(&target).await });
            }
        }
        self.hear(probes, Some(QUICK)).await;
        if probes.may_speak_for_the_others() && matches!(self.exists().await, Ok(false)) {
            let asked_at = self.inner.store.now().await?;
            probes.extend_to_the_others(asked_at);
        }
        Ok(())
    }

    /// Waits for answers, and notes who lives.
    async fn hear(&self, probes: &mut Probes<'inner>, limit: Option<Duration>) {
        let alive = probes.hear(limit).await;
        let Some(asked_at) = alive.iter().map(|probed| probed.asked_at).min() else { return };
        let steps = alive.into_iter().map(|probed| Repair::Alive(probed.sid)).collect();
        if let Err(error) = self.note_life(asked_at, steps).await {
            debug!(room.name = %self.room, %error, "cannot note who lives");
        }
    }

    async fn note_life(&self, asked_at: StoreTime, steps: Vec<Repair>) -> Result<(), StoreError> {
        let Some(held) = self.inner.store.read(self.room).await? else { return Ok(()) };
        let repairs = of_probes(&held, asked_at, steps);
        self.repair(held, &repairs).await?;
        Ok(())
    }

    /// One liveness probe; none where LiveKit did not say.
    async fn probe(&self, target: &ProbeTarget) -> Option<ProbeAnswer> {
        if !self.may_call_soon().await {
            return None;
        }
        self.ask_for_life(target).await
    }

    async fn ask_for_life(&self, target: &ProbeTarget) -> Option<ProbeAnswer> {
        let answer = self.inner.api.probe(self.room, &target.identity).await;
        self.inner.api_answered(About::Room(self.room), answer.as_ref().err());
        match answer {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(room.name = %self.room, %error, "a liveness probe told nothing");
                None
            }
        }
    }

    async fn may_call_soon(&self) -> bool {
        let allowance = timeout(BUDGET_TIMEOUT, self.inner.allowance(self.purpose));
        matches!(allowance.await, Ok(Ok(())))
    }

    /// A room that the store does not hold stays out of it while nobody is inside.
    fn nobody_inside(&self, asked_at: StoreTime) -> ComparisonOutcome {
        let until = asked_at + self.inner.rules.trust.min(EMPTY_FOR);
        self.inner.empty_rooms.remember(self.room, until, asked_at);
        ComparisonOutcome::Confirmed
    }

    /// Whether this is a watched room that no store holds, and LiveKit, asked for its rooms, did not have it either.
    async fn is_unlisted_and_empty(&self) -> Result<bool, StoreError> {
        let is_watched = self.importance == Importance::Watched;
        if !is_watched || self.inner.store.position(self.room).await?.is_some() {
            return Ok(false);
        }
        let unlisted_at = self.unlisted_at().await;
        if let Some(unlisted_at) = unlisted_at {
            self.nobody_inside(unlisted_at);
            self.inner.metrics.compared(self.importance, true);
        }
        Ok(unlisted_at.is_some())
    }

    /// When LiveKit was asked for its rooms, if it did not have this one.
    async fn unlisted_at(&self) -> Option<StoreTime> {
        let listed = self.inner.listed_rooms().await?;
        (!listed.names.contains(self.room)).then_some(listed.asked_at)
    }

    async fn ask(&self) -> Result<Asked, Failure> {
        let mut list = pin!(self.inner.api.list_participants(self.room));
        let early = tokio::select! {
            answer = &mut list => Some(answer),
            () = sleep(SLOW) => None,
        };
        match early {
            Some(Err(ApiError::NoResponse)) => match self.exists().await? {
                true => Ok(Asked::Exists),
                false => Ok(Asked::Listed(Vec::new())),
            },
            Some(answer) => self.heard(answer),
            None => {
                let mut exists = pin!(self.exists());
                tokio::select! {
                    answer = &mut list => match answer {
                        Err(error @ (ApiError::NoResponse | ApiError::TimedOut(_))) => {
                            self.after_silence(exists.await?, &error)
                        }
                        answer => self.heard(answer),
                    },
                    exists = &mut exists => match exists {
                        Ok(false) => Ok(Asked::Listed(Vec::new())),
                        exists => match list.await {
                            Err(error @ (ApiError::NoResponse | ApiError::TimedOut(_))) => {
                                self.after_silence(exists?, &error)
                            }
                            answer => self.heard(answer),
                        },
                    },
                }
            }
        }
    }

    fn heard(&self, answer: Result<Vec<SessionInfo>, ApiError>) -> Result<Asked, Failure> {
        self.inner.api_answered(About::Room(self.room), answer.as_ref().err());
        if let Err(error) = &answer {
            self.inner.list_failed(self.room, error);
        }
        answer.map(Asked::Listed).map_err(Failure::Api)
    }

    /// LiveKit knows whether there is the room, and did not say who is inside.
    fn after_silence(&self, exists: bool, error: &ApiError) -> Result<Asked, Failure> {
        if exists {
            self.inner.list_failed(self.room, error);
        }
        Ok(if exists { Asked::Exists } else { Asked::Listed(Vec::new()) })
    }

    /// Whether LiveKit has the room. A room it does not have has nobody inside.
    async fn exists(&self) -> Result<bool, Failure> {
        if !self.may_call_soon().await {
            return Err(Failure::NoBudget);
        }
        let rooms = self.inner.api.list_rooms(&[self.room]).await;
        self.inner.api_answered(About::Existence, rooms.as_ref().err());
        Ok(rooms.map_err(Failure::Api)?.contains(self.room))
    }

    /// The room as it was read is given away: a store that shares it would copy it otherwise.
    async fn repair(&self, held: Arc<Room>, repairs: &Repairs) -> Result<Repaired, StoreError> {
        let ages = ages(&held, repairs);
        let subjects = repairs.subjects(&held);
        drop(held);
        let repaired = self.inner.store.repair(self.room, repairs, &subjects).await?;
        let Repaired { change, counts, .. } = &repaired;
        self.inner.metrics.repaired(*counts);
        if counts.has_mended() {
            for (kind, age) in ages {
                self.inner.metrics.aged(kind, age);
            }
            info!(
                room.name = %self.room,
                changed = change.is_some(),
                added = counts.added,
                removed = counts.removed,
                replaced = counts.replaced,
                updated = counts.updated,
                suspected = counts.suspected,
                evicted = counts.evicted,
                reinstated = counts.reinstated,
                "brought a room into line with LiveKit"
            );
        }
        Ok(repaired)
    }

    async fn probe_round(&self) -> Result<ProbeRound, StoreError> {
        let Some(room) = self.inner.store.read(self.room).await? else {
            return Ok(ProbeRound::NobodyFailed);
        };
        let asked_at = self.inner.store.now().await?;
        let targets = room.to_probe(asked_at, &self.inner.rules);
        if targets.is_empty() {
            return Ok(ProbeRound::NobodyFailed);
        }
        let repairs = of_probes(&room, asked_at, Vec::new());
        // It changes while they are asked.
        drop(room);
        let steps: Vec<Repair> = stream::iter(targets)
            .map(|target| self.probe_listed(target, asked_at))
            .buffer_unordered(PROBES_AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let has_failure = steps.iter().any(|step| matches!(step, Repair::Dead { .. }));
        self.repair(Arc::default(), &Repairs { steps, ..repairs }).await?;
        Ok(if has_failure { ProbeRound::SomebodyFailed } else { ProbeRound::NobodyFailed })
    }

    async fn probe_listed(&self, target: ProbeTarget, asked_at: StoreTime) -> Option<Repair> {
        self.inner.allowance(self.purpose).await.ok()?;
        Some(match self.ask_for_life(&target).await? {
            ProbeAnswer::Alive => {
                self.inner.note_witness(asked_at);
                Repair::Alive(target.sid)
            }
            ProbeAnswer::Gone | ProbeAnswer::Unanswered => {
                let witnessed = self.inner.has_witness_since(target.failed_at);
                Repair::Dead { sid: target.sid, witnessed }
            }
        })
    }
}

/// Whether somebody whom LiveKit lists is called by telephone; a ghost is not.
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

/// Repairs that record the outcome of probes.
fn of_probes(room: &Room, asked_at: StoreTime, steps: Vec<Repair>) -> Repairs {
    Repairs {
        asked_at,
        epoch: room.epoch(),
        version: room.version(),
        confirms: false,
        unlisted_at: None,
        steps,
    }
}

/// For how long what is repaired had been wrong, as far as that can be told.
fn ages(held: &Room, repairs: &Repairs) -> Vec<(RepairKind, Duration)> {
    let age = |step: &Repair| {
        let kind = match step {
            Repair::Add { suspect: false, .. } => RepairKind::missed_join,
            Repair::Remove(_) => RepairKind::missed_leave,
            Repair::Evict(_) => RepairKind::crash_ghost,
            _ => return None,
        };
        Some((kind, held.age_of(step, repairs.asked_at)?))
    };
    repairs.steps.iter().filter_map(age).collect()
}

/// How a round of probes ended.
enum ProbeRound {
    NobodyFailed,
    SomebodyFailed,
}

/// Runs one comparison that the queue gave out, for which a call of this purpose was taken. Tells those who wait, and sends probes
/// afterwards.
pub async fn run(
    inner: Arc<Scheduler>,
    room: RoomName,
    importance: Importance,
    purpose: CallPurpose,
    wanted_at: Instant,
) {
    let comparison = Comparison { inner: &inner, room: &room, importance, purpose };
    let mut probes = Probes::default();
    let outcome = match comparison.begin(wanted_at).await {
        Ok(Begun::Now(held)) => {
            let outcome = comparison.compare(&mut probes).await;
            comparison.end(held).await;
            outcome
        }
        Ok(Begun::Done) => {
            inner.call_not_made(purpose);
            return inner.finished(&room, importance, ComparisonOutcome::Confirmed);
        }
        Ok(Begun::Later(wait)) => return inner.postpone(&room, importance, purpose, wait),
        Ok(Begun::NoCall) => return inner.no_call_left(&room, importance, purpose),
        Err(_) => ComparisonOutcome::Unknown,
    };
    inner.finished(&room, importance, outcome);
    if outcome == ComparisonOutcome::Unknown {
        return;
    }
    // From here on nobody waits, and the room may be compared again meanwhile.
    let Some(_probing) = inner.start_probing(&room).await else { return };
    let comparison = Comparison { purpose: inner.purpose_of_probes(&room), ..comparison };
    comparison.settle(probes).await;
    comparison.probe_all_listed().await;
}
