//! How many scenarios run at the same time.

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

/// Scenarios that run at the same time. Most of them wait most of the time, so there are more than cores; but each needs two
/// seconds of a core to start.
const AT_ONCE: usize = 6;

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);
/// A place has become free.
static FREED: Notify = Notify::const_new();

/// A scenario's place on the machine, or all of them.
pub struct MachineShare(Option<SemaphorePermit<'static>>);

impl MachineShare {
    /// Waits until there is room for a scenario, or for one that must be alone.
    pub async fn take(alone: bool) -> Self {
        if !alone {
            return Self(Some(PLACES.acquire().await.unwrap()));
        }
        // Queueing in the semaphore for all places would keep every other scenario waiting, too.
        loop {
            let freed = FREED.notified();
            if let Ok(all) = PLACES.try_acquire_many(u32::try_from(AT_ONCE).unwrap()) {
                return Self(Some(all));
            }
            freed.await;
        }
    }
}

impl Drop for MachineShare {
    fn drop(&mut self) {
        drop(self.0.take());
        FREED.notify_waiters();
    }
}
