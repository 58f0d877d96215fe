//! Which rooms LiveKit has: one `ListRooms` call serves everybody who wants to know for a while. What was read in LiveKit's Redis
//! counts until that tells of a change, so that clients who ask again and again have nothing read.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use tokio::sync::Mutex as AsyncMutex;

use crate::{
    coordination::SharedRooms,
    livekit::redis::{ByteRate, KeptNames},
    presence::{RoomName, StoreTime},
};

/// One call serves everybody who asks for the list within this time.
pub const FRESH: Duration = Duration::from_secs(10);
/// What was read in LiveKit's Redis, which has told of a change since, counts for this long at least.
const CHANGED_FRESH: Duration = Duration::from_secs(1);
/// After a call that failed the next one waits.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The names of all rooms that LiveKit has.
#[derive(Debug)]
pub struct RoomNames {
    /// When LiveKit was asked, by the store's clock.
    pub asked_at: StoreTime,
    pub names: HashSet<RoomName>,
    /// How much was read, if they are from LiveKit's Redis.
    kept_bytes: Option<usize>,
}

impl RoomNames {
    /// What LiveKit's Redis has.
    pub fn kept(asked_at: StoreTime, KeptNames { names, bytes }: KeptNames) -> Self {
        Self { asked_at, names: names.into_iter().collect(), kept_bytes: Some(bytes) }
    }
}

impl From<SharedRooms> for RoomNames {
    fn from(shared: SharedRooms) -> Self {
        Self {
            asked_at: shared.asked_at,
            names: shared.names.into_iter().collect(),
            kept_bytes: None,
        }
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
    /// LiveKit's Redis has told that something about its rooms has changed.
    pub fn changed(&self) {
        *self.changed_at() = Some(Instant::now());
    }

    /// How long names count that were asked for at `asked_at`. `kept`: at which rate LiveKit's Redis may be read, while it is followed.
    fn fresh_for(&self, asked_at: Instant, names: &RoomNames, kept: Option<ByteRate>) -> Duration {
        let Some(rate) = kept else { return FRESH };
        let has_changed = self.changed_at().is_some_and(|changed_at| changed_at >= asked_at);
        match names.kept_bytes {
            Some(_) if !has_changed => Duration::MAX,
            // Reading them uses at most a quarter of the rate.
            Some(bytes) => rate.interval(bytes).max(CHANGED_FRESH),
            None => CHANGED_FRESH,
        }
    }

    fn changed_at(&self) -> MutexGuard<'_, Option<Instant>> {
        self.changed_at.lock().expect("never held in a panic")
    }

    /// The names, as an `ask` told them that still counts. A caller that comes while one is under way waits for it. `kept`: at which
    /// rate LiveKit's Redis may be read, while it is followed.
    pub async fn get<F>(
        &self,
        kept: Option<ByteRate>,
        ask: impl FnOnce() -> F,
    ) -> Option<Arc<RoomNames>>
    where
        F: Future<Output = Option<RoomNames>>,
    {
        let mut cached = self.cached.lock().await;
        let now = Instant::now();
        if let Some((asked_at, names)) = &cached.names
            && now.duration_since(*asked_at) < self.fresh_for(*asked_at, names, kept)
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
                kept_bytes: None,
            });
            async move { names }
        };
        assert!(listed.get(None, || ask(None)).await.is_none());
        assert!(listed.get(None, || ask(Some(vec![room("general")]))).await.is_none(), "too soon");
        listed.cached.lock().await.failed_at = None;
        assert!(
            listed
                .get(None, || ask(Some(vec![room("general")])))
                .await
                .unwrap()
                .names
                .contains(&room("general"))
        );
        assert_eq!(listed.get(None, || ask(None)).await.unwrap().names.len(), 1, "still fresh");
        assert_eq!(*calls.lock().unwrap(), 2);
    }

    #[test]
    fn what_was_read_counts_until_a_change_is_told_and_then_for_as_long_as_a_quarter_of_the_rate_has_it()
     {
        let rate = Some(ByteRate::new(8 << 20));
        let kept = |bytes| {
            let names = KeptNames { names: vec![room("general")], bytes };
            RoomNames::kept(StoreTime::default(), names)
        };
        let listed = ListedRooms::default();
        let asked_at = Instant::now();
        let shared = SharedRooms { asked_at: StoreTime::default(), names: Vec::new() };
        let by_api = RoomNames::from(shared);
        let secs = Duration::from_secs;
        assert_eq!(listed.fresh_for(asked_at, &kept(7), rate), Duration::MAX);
        assert_eq!(listed.fresh_for(asked_at, &kept(7), None), secs(10), "it is not followed");
        listed.changed();
        for (names, rate, expected) in [
            (kept(7), rate, secs(1)),
            (kept(128 << 20), rate, secs(64)),
            (kept(7), None, secs(10)),
            (by_api, rate, secs(1)),
        ] {
            assert_eq!(listed.fresh_for(asked_at, &names, rate), expected, "{names:?}");
        }
        assert_eq!(
            listed.fresh_for(Instant::now(), &kept(7), Some(ByteRate::new(1))),
            Duration::MAX
        );
    }
}
