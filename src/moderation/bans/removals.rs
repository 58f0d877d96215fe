//! LiveKit removes whoever is banned and inside: at once when a moderator bans them, and within a second when they come again. Many
//! instances, and several webhooks of one session, cause one call. Each call is taken from the budget, and somebody who comes again
//! and again is removed after a while: nobody sees them, inside or not.

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use tokio::{
    sync::{Semaphore, mpsc},
    time::sleep,
};
use tracing::{debug, info, warn};

use crate::{
    abort_on_panic,
    clock::Clock,
    coordination::{Lease, LeaseToken, Peers, SlidingWindow, Turn},
    error_chain::Chain,
    livekit::{Api, ApiError},
    presence::{EventId, Identity, ParticipantSid, RoomName, Standing},
    reconcile::{Reconciler, RemoveBanned},
    store::Store,
};

use super::{
    intruders::{Intruder, Intruders},
    metrics::{BanMetrics, RemovalOutcome},
};

/// People whose removal waits, or is tried again. Comparisons find those again for whom there is no room.
const MAX_WAITING: usize = 1_024;
/// Calls to LiveKit under way.
const MAX_AT_ONCE: usize = 8;
/// While one instance has a session removed, and for a while after it, no other does.
const LEASE_TIME: Duration = Duration::from_secs(10);
/// So often one person is removed from one room as soon as they come, by all instances together.
const AT_ONCE: SlidingWindow = SlidingWindow { max: 6, length: Duration::from_mins(1) };
/// And so often beyond that.
const SPACED: SlidingWindow = SlidingWindow { max: 1, length: Duration::from_secs(5) };
/// Between two attempts at first, and at most.
const RETRY_DELAY: Duration = Duration::from_millis(200);
const MAX_RETRY_DELAY: Duration = Duration::from_secs(5);
/// Afterwards a comparison finds who is still inside.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);

/// Has LiveKit remove banned people.
pub struct Removals {
    queue: mpsc::Sender<Intruder>,
    remover: Arc<Remover>,
}

struct Remover {
    api: Arc<Api>,
    store: Arc<dyn Store>,
    peers: Arc<dyn Peers>,
    clock: Clock,
    metrics: BanMetrics,
    /// Has the budget of calls. Comparisons tell of banned people, and so are made after this.
    reconciler: OnceLock<Reconciler>,
    calls: Semaphore,
    intruders: Intruders,
}

/// What became of one attempt.
enum Attempt {
    /// LiveKit removed them, or did not have them; or another instance sees to it.
    Over,
    Failed(ApiError),
    /// The budget has no call.
    NoCall,
    /// They come too often, and are removed after this time.
    TooOften(Duration),
}

/// What keeps other instances from removing the same sessions.
struct Leases {
    held: Vec<(Lease, LeaseToken)>,
    /// Whether other instances see to all of the sessions.
    are_others: bool,
}

impl Removals {
    /// Starts its task, which has nobody removed before [`Self::take_calls_from`]. Must be called in a runtime.
    pub fn start(
        api: Arc<Api>,
        store: Arc<dyn Store>,
        peers: Arc<dyn Peers>,
        clock: Clock,
        metrics: BanMetrics,
    ) -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let remover = Arc::new(Remover {
            api,
            store,
            peers,
            clock,
            metrics,
            reconciler: OnceLock::new(),
            calls: Semaphore::new(MAX_AT_ONCE),
            intruders: Intruders::new(LEASE_TIME),
        });
        let run = run(Arc::clone(&remover), waiting);
        tokio::spawn(abort_on_panic::task("the removal of banned people", run));
        Arc::new(Self { queue, remover })
    }

    /// Says whose budget the calls are taken from.
    pub fn take_calls_from(&self, reconciler: Reconciler) {
        // Only the first one counts.
        let _ = self.remover.reconciler.set(reconciler);
    }

    /// A banned person's session is inside. Returns at once.
    pub(super) fn found(&self, room: &RoomName, identity: &Identity, sid: &ParticipantSid) {
        let intruder = Intruder { room: room.clone(), identity: identity.clone() };
        if self.remover.intruders.entered(&intruder, std::slice::from_ref(sid)) {
            self.wait_for_turn(intruder);
        }
    }

    /// Has LiveKit remove somebody for a moderator, whatever is known to be inside. Returns whether nobody of that identity is
    /// inside any more. If not, LiveKit is told again while a session that is known is inside. Must run to its end.
    pub(super) async fn remove_now(
        &self,
        room: &RoomName,
        identity: &Identity,
        inside: &[ParticipantSid],
    ) -> bool {
        let intruder = Intruder { room: room.clone(), identity: identity.clone() };
        let Remover { intruders, .. } = &*self.remover;
        let is_handled_here = intruders.entered(&intruder, inside);
        let is_removed = self.remover.remove_for_moderator(&intruder, inside).await;
        let others_wait = match (is_handled_here, is_removed) {
            (true, true) => intruders.removed(&intruder, inside),
            (true, false) => intruders.forget(&intruder, &[]),
            (false, _) => false,
        };
        if others_wait {
            self.wait_for_turn(intruder);
        }
        is_removed
    }

    fn wait_for_turn(&self, intruder: Intruder) {
        if let Err(refused) = self.queue.try_send(intruder) {
            self.remover.metrics.removal(RemovalOutcome::Dropped);
            let intruder = refused.into_inner();
            let Remover { intruders, .. } = &*self.remover;
            while intruders.forget(&intruder, &intruders.waiting(&intruder)) {}
        }
    }
}

impl RemoveBanned for Removals {
    fn found_inside(&self, room: &RoomName, identity: &Identity, sid: &ParticipantSid) {
        self.found(room, identity, sid);
    }
}

async fn run(remover: Arc<Remover>, waiting: mpsc::Receiver<Intruder>) {
    let waiting = stream::unfold(waiting, |mut waiting| async {
        let intruder = waiting.recv().await?;
        Some((intruder, waiting))
    });
    waiting.for_each_concurrent(MAX_WAITING, |intruder| remover.remove(intruder)).await;
}

impl Remover {
    /// Has somebody removed, and tries again while they are inside.
    async fn remove(&self, intruder: Intruder) {
        let (mut began, mut delay) = (Instant::now(), RETRY_DELAY);
        loop {
            let sessions = self.intruders.waiting(&intruder);
            let attempt = self.attempt(&intruder, &sessions).await;
            let wait = match attempt {
                Attempt::Over if self.intruders.removed(&intruder, &sessions) => {
                    (began, delay) = (Instant::now(), RETRY_DELAY);
                    continue;
                }
                Attempt::Over => return,
                Attempt::TooOften(wait) => wait,
                Attempt::Failed(_) | Attempt::NoCall => {
                    delay.mul_f64(fastrand::f64().mul_add(0.2, 0.8))
                }
            };
            self.note(&attempt, &intruder.room, delay == RETRY_DELAY);
            let is_given_up = began.elapsed() > GIVE_UP_AFTER;
            if is_given_up {
                self.metrics.removal(RemovalOutcome::GivenUp);
            } else {
                sleep(wait).await;
                delay = (delay * 2).min(MAX_RETRY_DELAY);
            }
            let sessions = self.intruders.waiting(&intruder);
            if is_given_up || !self.is_inside(&intruder).await {
                if !self.intruders.forget(&intruder, &sessions) {
                    return;
                }
                (began, delay) = (Instant::now(), RETRY_DELAY);
            }
        }
    }

    async fn attempt(&self, intruder: &Intruder, sessions: &[ParticipantSid]) -> Attempt {
        let Some(reconciler) = self.reconciler.get() else { return Attempt::NoCall };
        if !reconciler.may_remove() {
            return Attempt::NoCall;
        }
        let leases = self.lease(intruder, sessions).await;
        if leases.are_others {
            return Attempt::Over;
        }
        let failed = match self.turn(intruder).await {
            Err(wait) => Attempt::TooOften(wait),
            Ok(()) if !reconciler.removals_call().await => Attempt::NoCall,
            Ok(()) => match self.call(reconciler, intruder).await {
                Ok(()) => return Attempt::Over,
                Err(error) => Attempt::Failed(error),
            },
        };
        self.release(leases).await;
        failed
    }

    /// Takes a moderator's call. Returns whether nobody of this identity is inside any more.
    async fn remove_for_moderator(&self, intruder: &Intruder, inside: &[ParticipantSid]) -> bool {
        let Some(reconciler) = self.reconciler.get() else { return false };
        let leases = self.lease(intruder, inside).await;
        let failed = match reconciler.moderators_call().await {
            Ok(Ok(())) => match self.call(reconciler, intruder).await {
                Ok(()) => return true,
                Err(error) => Attempt::Failed(error),
            },
            Ok(Err(_)) | Err(_) => Attempt::NoCall,
        };
        self.note(&failed, &intruder.room, true);
        self.release(leases).await;
        false
    }

    /// Tells the log and the metrics of an attempt after which another follows.
    fn note(&self, attempt: &Attempt, room: &RoomName, is_first: bool) {
        match attempt {
            Attempt::Failed(error) if is_first => warn!(
                room.name = %room,
                error = %Chain(error),
                "LiveKit did not remove somebody who is banned and whom nobody sees; it is told again while they are inside"
            ),
            Attempt::Over | Attempt::Failed(_) => {}
            Attempt::NoCall | Attempt::TooOften(_) => {
                self.metrics.removal(RemovalOutcome::Postponed);
                debug!(
                    room.name = %room,
                    is_too_often = matches!(attempt, Attempt::TooOften(_)),
                    "the removal of somebody who is banned waits"
                );
            }
        }
    }

    /// So that no other instance does it, too.
    async fn lease(&self, intruder: &Intruder, sessions: &[ParticipantSid]) -> Leases {
        let (mut held, mut are_others) = (Vec::new(), !sessions.is_empty());
        for sid in sessions {
            let lease = Lease::Removal(intruder.room.clone(), sid.clone());
            match self.peers.lease(&lease, LEASE_TIME).await {
                Ok(Some(token)) => held.push((lease, token)),
                Ok(None) => continue,
                // Nobody knows what others do, and to remove somebody twice does no harm.
                Err(_) => {}
            }
            are_others = false;
        }
        Leases { held, are_others }
    }

    async fn release(&self, leases: Leases) {
        for (lease, token) in leases.held {
            let _ = self.peers.release(&lease, token).await;
        }
    }

    /// Whether somebody may be removed now, after the other times. If not, returns how long to wait.
    async fn turn(&self, Intruder { room, identity }: &Intruder) -> Result<(), Duration> {
        // A digest, because an identity can be long, and can be anything.
        let person = EventId::of_parts([room.as_str(), identity.as_str()].map(str::as_bytes));
        let mut wait = Duration::ZERO;
        for (name, window) in [("removal", AT_ONCE), ("removal-spaced", SPACED)] {
            match self.peers.take_turn(&format!("{name}:{person}"), window).await {
                Ok(Turn::Refused { wait: left }) => wait = left,
                // If the others cannot be asked, the budget has no call either.
                Ok(Turn::Taken { .. }) | Err(_) => return Ok(()),
            }
        }
        Err(wait)
    }

    async fn call(
        &self,
        reconciler: &Reconciler,
        Intruder { room, identity }: &Intruder,
    ) -> Result<(), ApiError> {
        let _turn = self.calls.acquire().await;
        // Where LiveKit can do that, it refuses their old token from now on.
        let revoked = Some(self.clock.now().as_secs());
        let began = Instant::now();
        let removed = self.api.remove_participant(room, identity, revoked).await;
        reconciler.moderator_answered(room, removed.as_ref().err());
        let outcome = match removed {
            Ok(true) => RemovalOutcome::Removed,
            Ok(false) => RemovalOutcome::Gone,
            Err(_) => RemovalOutcome::Failed,
        };
        self.metrics.removal(outcome);
        match removed? {
            true => info!(
                room.name = %room,
                participant.identity = identity.as_str(),
                took = ?began.elapsed(),
                "LiveKit removed somebody who is banned"
            ),
            false => debug!(room.name = %room, "somebody who is banned was not inside"),
        }
        Ok(())
    }

    /// Whether a session of theirs is inside, as far as the store knows, and they are still banned.
    async fn is_inside(&self, Intruder { room, identity }: &Intruder) -> bool {
        match self.store.read(room).await {
            Ok(Some(room)) => {
                let mut sessions = room.sessions().filter(|one| one.identity() == identity);
                sessions.any(|held| held.standing() != Standing::Missing)
                    && room.is_banned(identity)
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }
}
