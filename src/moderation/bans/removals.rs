//! LiveKit removes whoever is banned and inside: at once when a moderator bans them, and within a second when they come again. Many
//! instances, and several webhooks of one session, cause one call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
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
    coordination::{Lease, LeaseToken, Peers},
    error_chain::Chain,
    livekit::{Api, ApiError},
    presence::{Identity, ParticipantSid, RoomName, Standing},
    reconcile::RemoveBanned,
    store::Store,
};

use super::metrics::{BanMetrics, RemovalOutcome};

/// Removals that wait, or are tried again. Comparisons find those again for whom there is no room.
const MAX_WAITING: usize = 1_024;
/// Calls to LiveKit under way.
const MAX_AT_ONCE: usize = 8;
/// While one instance has a session removed, and for a while after it, no other does.
const LEASE_TIME: Duration = Duration::from_secs(10);
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

/// A banned person's session that is inside.
#[derive(Clone, Debug)]
struct Intruder {
    room: RoomName,
    identity: Identity,
    sid: ParticipantSid,
}

struct Remover {
    api: Arc<Api>,
    store: Arc<dyn Store>,
    peers: Arc<dyn Peers>,
    clock: Clock,
    metrics: BanMetrics,
    calls: Semaphore,
    /// Sessions that are being removed here, or were a moment ago; then since when.
    known: Mutex<HashMap<ParticipantSid, Option<Instant>>>,
}

/// What became of one attempt.
enum Attempt {
    /// LiveKit removed them, or did not have them; or another instance sees to it.
    Over,
    Failed(ApiError),
}

impl Removals {
    /// Starts its task. Must be called in a runtime.
    pub fn start(
        api: Arc<Api>,
        store: Arc<dyn Store>,
        peers: Arc<dyn Peers>,
        clock: Clock,
        metrics: BanMetrics,
    ) -> Arc<Self> {
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        let calls = Semaphore::new(MAX_AT_ONCE);
        let known = Mutex::default();
        let remover = Arc::new(Remover { api, store, peers, clock, metrics, calls, known });
        let run = run(Arc::clone(&remover), waiting);
        tokio::spawn(abort_on_panic::task("the removal of banned people", run));
        Arc::new(Self { queue, remover })
    }

    /// A banned person's session is inside. Returns at once.
    pub(super) fn found(&self, room: &RoomName, identity: &Identity, sid: &ParticipantSid) {
        if self.remover.begins(sid) {
            self.wait_for_turn(Intruder {
                room: room.clone(),
                identity: identity.clone(),
                sid: sid.clone(),
            });
        }
    }

    /// Has LiveKit remove somebody, whatever is known to be inside. Returns whether nobody of that identity is inside any more. If
    /// not, LiveKit is told again while a session that is known is inside.
    pub(super) async fn remove_now(
        &self,
        room: &RoomName,
        identity: &Identity,
        inside: &[ParticipantSid],
    ) -> bool {
        let mut leases = Vec::new();
        for sid in inside {
            self.remover.begins(sid);
            // So that no other instance does it, too.
            let lease = Lease::Removal(room.clone(), sid.clone());
            if let Ok(Some(held)) = self.remover.peers.lease(&lease, LEASE_TIME).await {
                leases.push((lease, held));
            }
        }
        let Err(error) = self.remover.call(room, identity).await else {
            for sid in inside {
                self.remover.ends(sid);
            }
            return true;
        };
        warn_of(&error, room);
        for (lease, held) in leases {
            let _ = self.remover.peers.release(&lease, held).await;
        }
        for sid in inside {
            let (room, identity, sid) = (room.clone(), identity.clone(), sid.clone());
            self.wait_for_turn(Intruder { room, identity, sid });
        }
        false
    }

    fn wait_for_turn(&self, intruder: Intruder) {
        if let Err(refused) = self.queue.try_send(intruder) {
            self.remover.metrics.removal(RemovalOutcome::Dropped);
            self.remover.forgets(&refused.into_inner().sid);
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
    /// Has a session removed, and tries again while it is inside.
    async fn remove(&self, intruder: Intruder) {
        let began = Instant::now();
        let mut delay = RETRY_DELAY;
        loop {
            match self.attempt(&intruder).await {
                Attempt::Over => return self.ends(&intruder.sid),
                Attempt::Failed(error) if delay == RETRY_DELAY => warn_of(&error, &intruder.room),
                Attempt::Failed(_) => {}
            }
            if began.elapsed() > GIVE_UP_AFTER {
                self.metrics.removal(RemovalOutcome::GivenUp);
                return self.forgets(&intruder.sid);
            }
            sleep(delay.mul_f64(fastrand::f64().mul_add(0.2, 0.8))).await;
            delay = (delay * 2).min(MAX_RETRY_DELAY);
            if !self.is_inside(&intruder).await {
                return self.forgets(&intruder.sid);
            }
        }
    }

    async fn attempt(&self, intruder: &Intruder) -> Attempt {
        let Intruder { room, identity, sid } = intruder;
        let lease = Lease::Removal(room.clone(), sid.clone());
        let held: Option<LeaseToken> = match self.peers.lease(&lease, LEASE_TIME).await {
            Ok(None) => return Attempt::Over,
            Ok(held) => held,
            // Nobody knows what others do, and to remove somebody twice does no harm.
            Err(_) => None,
        };
        match self.call(room, identity).await {
            Ok(()) => Attempt::Over,
            Err(error) => {
                if let Some(held) = held {
                    let _ = self.peers.release(&lease, held).await;
                }
                Attempt::Failed(error)
            }
        }
    }

    async fn call(&self, room: &RoomName, identity: &Identity) -> Result<(), ApiError> {
        let _turn = self.calls.acquire().await;
        // Where LiveKit can do that, it refuses their old token from now on.
        let revoked = Some(self.clock.now().as_secs());
        let began = Instant::now();
        let removed = self.api.remove_participant(room, identity, revoked).await;
        let outcome = match removed {
            Ok(true) => RemovalOutcome::Removed,
            Ok(false) => RemovalOutcome::Gone,
            Err(_) => RemovalOutcome::Failed,
        };
        self.metrics.removal(outcome);
        match removed? {
            true => info!(
                room.name = %room,
                participant.identity = %identity,
                took = ?began.elapsed(),
                "LiveKit removed somebody who is banned"
            ),
            false => debug!(room.name = %room, "somebody who is banned was not inside"),
        }
        Ok(())
    }

    /// Whether the session is inside, as far as the store knows, and its person is still banned.
    async fn is_inside(&self, intruder: &Intruder) -> bool {
        match self.store.read(&intruder.room).await {
            Ok(Some(room)) => {
                let mut sessions = room.sessions();
                let held = sessions.find(|session| *session.sid() == intruder.sid);
                let is_held = held.is_some_and(|held| held.standing() != Standing::Missing);
                is_held && room.is_banned(&intruder.identity)
            }
            Ok(None) => false,
            Err(_) => true,
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<ParticipantSid, Option<Instant>>> {
        self.known.lock().expect("never held in a panic")
    }

    /// Notes that a session is being removed. False if that goes on already, or has just been done.
    fn begins(&self, sid: &ParticipantSid) -> bool {
        let mut known = self.known();
        known.retain(|_, ended| ended.is_none_or(|ended| ended.elapsed() < LEASE_TIME));
        known.insert(sid.clone(), None).is_none()
    }

    fn ends(&self, sid: &ParticipantSid) {
        self.known().insert(sid.clone(), Some(Instant::now()));
    }

    fn forgets(&self, sid: &ParticipantSid) {
        self.known().remove(sid);
    }
}

fn warn_of(error: &ApiError, room: &RoomName) {
    warn!(
        room.name = %room,
        error = %Chain(error),
        "LiveKit did not remove somebody who is banned and whom nobody sees; it is told again while they are inside"
    );
}
