//! Which rooms LiveKit has: one `ListRooms` call serves everybody who wants to know for a while.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{
    coordination::SharedRooms,
    presence::{RoomName, StoreTime},
};

/// One call serves everybody who asks for the list within this time.
pub const FRESH: Duration = Duration::from_secs(10);
/// If LiveKit's Redis has told of a change since: within this time.
const CHANGED_FRESH: Duration = Duration::from_secs(1);
/// After a call that failed the next one waits.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The names of all rooms that LiveKit has.
#[derive(Debug)]
pub struct RoomNames {
    /// When LiveKit was asked, by the store's clock.
    pub asked_at: StoreTime,
    pub names: HashSet<RoomName>,
}

impl From<SharedRooms> for RoomNames {
    fn from(shared: SharedRooms) -> Self {
        Self { asked_at: shared.asked_at, names: shared.names.into_iter().collect() }
    }
}

/// LiveKit's rooms, as of the last call.
#[derive(Default)]
pub struct ListedRooms {
    cached: AsyncMutex<Cached>,
    /// When LiveKit's Redis last told that something about them has changed.
    changed_at: Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Cached {
    names: Option<(Instant, Arc<RoomNames>)>,
    failed_at: Option<Instant>,
}

impl ListedRooms {
    /// LiveKit's Redis has told that something about its rooms has changed. To read them again costs no call, so names that are
    /// older count for at most a second.
    pub fn changed(&self) {
        *self.changed_at() = Some(Instant::now());
    }

    fn fresh_for(&self, asked_at: Instant) -> Duration {
        let has_changed = self.changed_at().is_some_and(|changed_at| changed_at >= asked_at);
        if has_changed { CHANGED_FRESH } else { FRESH }
    }

    fn changed_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.changed_at.lock().expect("never held in a panic")
    }

    /// The names, from an `ask` at most [`FRESH`] ago. A caller that comes while one is under way waits for it.
    pub async fn get<F>(&self, ask: impl FnOnce() -> F) -> Option<Arc<RoomNames>>
    where
        F: Future<Output = Option<RoomNames>>,
    {
        let mut cached = self.cached.lock().await;
        let now = Instant::now();
        if let Some((asked_at, names)) = &cached.names
            && now.duration_since(*asked_at) < self.fresh_for(*asked_at)
        {
            return Some(Arc::clone(names));
        }
        if cached.failed_at.is_some_and(|at| now.duration_since(at) < RETRY_AFTER) {
            return None;
        }
        match ask().await {
            Some(names) => {
                let names = Arc::new(names);
                *cached = Cached { names: Some((now, Arc::clone(&names))), failed_at: None };
                Some(names)
            }
            None => {
                cached.failed_at = Some(Instant::now());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    #[tokio::test]
    async fn one_call_serves_everybody_for_a_while_and_a_failed_one_is_not_repeated_at_once() {
        let listed = ListedRooms::default();
        let calls = Mutex::new(0);
        let ask = |answer: Option<Vec<RoomName>>| {
            *calls.lock().unwrap() += 1;
            let names = answer.map(|names| RoomNames {
                asked_at: StoreTime::default(),
                names: names.into_iter().collect(),
            });
            async move { names }
        };
        assert!(listed.get(|| ask(None)).await.is_none());
        assert!(listed.get(|| ask(Some(vec![room("general")]))).await.is_none(), "too soon");
        listed.cached.lock().await.failed_at = None;
        assert!(
            listed
                .get(|| ask(Some(vec![room("general")])))
                .await
                .unwrap()
                .names
                .contains(&room("general"))
        );
        assert_eq!(listed.get(|| ask(None)).await.unwrap().names.len(), 1, "still fresh");
        assert_eq!(*calls.lock().unwrap(), 2);
    }
}
