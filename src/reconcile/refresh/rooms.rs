//! The metadata of watched rooms, read again when LiveKit's Redis tells that some room has changed.
//!
//! One hash has all rooms, and joins and leaves in any of them change it. So all watched rooms are read, at most once in 250 ms, and
//! more rarely if the rooms are many or their metadata is long: these readings use at most a quarter of the rate.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    abort_on_panic,
    livekit::redis::LiveKitRedisError,
    presence::RoomName,
    reconcile::{context::Context, kept::KeptRooms, metadata::told_of},
};

/// The shortest time between the ends of two readings of all watched rooms.
const MIN_INTERVAL: Duration = Duration::from_millis(250);
/// What the reading of a room costs at least: the command, and the answer where LiveKit has no such room.
const MIN_COST: usize = 128;
/// Rooms that are read at the same time.
const MAX_AT_ONCE: usize = 16;
/// The task looks this often whether LiveKit's Redis can be read now.
const TICK: Duration = Duration::from_millis(500);
/// Where reading or telling failed, all watched rooms are read again after this time.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How often in a row the same rooms are read again because that may tell more.
const MAX_AGAIN: u32 = 3;

/// Woken by [`Readings`](super::Readings) when a room is watched or may have changed.
pub struct RoomsRefresher(Arc<Context>);

/// What reading all watched rooms came to.
#[derive(Default)]
struct Pass {
    bytes: usize,
    /// Whether another may tell more.
    again: bool,
    /// Redis, or the store, did not answer.
    failed: bool,
}

impl RoomsRefresher {
    /// Starts the task, if there is a Redis of LiveKit. Must be called in a runtime.
    pub fn start(context: &Arc<Context>) {
        if context.kept_rooms.is_some() {
            let refresher = Self(Arc::clone(context));
            tokio::spawn(abort_on_panic::task("what follows LiveKit's rooms", refresher.run()));
        }
    }

    async fn run(self) {
        let mut again = 0;
        loop {
            if again == 0 {
                self.0.readings.rooms_changed().await;
            }
            let Some(kept) = self.0.kept_rooms.as_ref() else { return };
            // Another LiveKit may have rooms of the same names.
            while !kept.is_trusted() {
                sleep(TICK).await;
            }
            let began = Instant::now();
            let pass = self.read_all(kept).await;
            let may_tell_more = pass.failed || pass.again && again < MAX_AGAIN;
            again = if may_tell_more { again + 1 } else { 0 };
            let pause = if pass.failed { RETRY_DELAY } else { MIN_INTERVAL };
            sleep(
                kept.redis.rate().interval(pass.bytes).max(pause).saturating_sub(began.elapsed()),
            )
            .await;
        }
    }

    async fn read_all(&self, kept: &KeptRooms) -> Pass {
        let context = &self.0;
        let watched = context.readings.watched();
        let mut pass = Pass::default();
        for some in watched.chunks(MAX_AT_ONCE) {
            let reading = some.iter().map(|room| self.read(kept, room));
            for read in futures_util::future::join_all(reading).await {
                pass.bytes += read.bytes;
                pass.again |= read.again;
                pass.failed |= read.failed;
            }
        }
        let watched: HashSet<_> = watched.into_iter().collect();
        context.said_metadata.keep(|room| watched.contains(room));
        pass
    }

    async fn read(&self, kept: &KeptRooms, room: &RoomName) -> Pass {
        let none = Pass { bytes: MIN_COST, ..Pass::default() };
        let failed = Pass { bytes: MIN_COST, failed: true, ..Pass::default() };
        let Ok(asked_at) = self.0.store.now().await else { return failed };
        match kept.redis.room(room).await {
            Ok(Some(object)) => {
                let bytes = MIN_COST + object.metadata.len();
                let again = self.0.tell_metadata(room, &told_of(object, asked_at)).await;
                Pass { bytes, again, failed: false }
            }
            Err(LiveKitRedisError::Down(_) | LiveKitRedisError::OverBudget { .. }) => failed,
            Err(LiveKitRedisError::Unreadable { bytes, .. }) => Pass { bytes, ..none },
            Ok(None) | Err(LiveKitRedisError::TooLarge { .. }) => none,
        }
    }
}
