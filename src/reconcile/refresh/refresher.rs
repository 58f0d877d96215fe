//! The task that follows LiveKit's Redis: has each watched room read that may have changed, as the pace allows.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, time::sleep_until};

use crate::{
    abort_on_panic,
    livekit::redis::{KeptChange, KeptChanges},
    reconcile::context::Context,
};

/// Rooms that are read at the same time.
const MAX_AT_ONCE: usize = 16;
/// The task looks at least this often whether LiveKit's Redis can be read now.
const TICK: Duration = Duration::from_secs(5);

/// Told of changes by LiveKit's Redis, and woken by [`Readings`](super::Readings).
pub struct Refresher {
    context: Arc<Context>,
    changes: KeptChanges,
    places: Arc<Semaphore>,
}

impl Refresher {
    /// Starts the task, if there is a Redis of LiveKit. Must be called in a runtime.
    pub fn start(context: &Arc<Context>) {
        let Some(kept) = &context.kept_rooms else { return };
        let refresher = Self {
            context: Arc::clone(context),
            changes: kept.redis.changes(),
            places: Arc::new(Semaphore::new(MAX_AT_ONCE)),
        };
        tokio::spawn(abort_on_panic::task("what follows LiveKit's Redis", refresher.run()));
    }

    async fn run(mut self) {
        loop {
            let look_again = self.start_due();
            tokio::select! {
                change = self.changes.next() => match change {
                    Some(change) => self.on_change(change),
                    None => return,
                },
                () = self.context.readings.wake.notified() => {}
                () = sleep_until(look_again.into()) => {}
            }
        }
    }

    fn on_change(&self, change: KeptChange) {
        match change {
            KeptChange::People(room) => self.context.readings.changed(&room),
            KeptChange::Rooms => {
                self.context.listed_rooms.changed();
                self.context.readings.some_room_changed();
            }
            KeptChange::Everything => {
                self.context.readings.everything_changed();
                self.context.listed_rooms.changed();
                self.context.said_metadata.forget_all();
                self.context.readings.some_room_changed();
                // Comparisons need no call from here on, and nothing that LiveKit's API could not answer has to wait.
                self.context.schedule().troubles.forget();
                self.context.wake.notify_one();
            }
        }
    }

    /// Starts the readings that may be made now. Returns when to look again.
    fn start_due(&self) -> Instant {
        let tick = Instant::now() + TICK;
        let kept = self.context.kept_rooms.as_ref().filter(|kept| kept.may_read());
        let Some(kept) = kept else { return tick };
        while let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            let reading = match self.context.readings.next(&mut kept.redis.budget()) {
                Ok(reading) => reading,
                Err(at) => return at.map_or(tick, |at| at.min(tick)),
            };
            let context = Arc::clone(&self.context);
            let reading = async move {
                context.read_kept(reading).await;
                drop(place);
                context.readings.wake.notify_one();
            };
            tokio::spawn(abort_on_panic::task("a reading of LiveKit's Redis", reading));
        }
        tick
    }
}
