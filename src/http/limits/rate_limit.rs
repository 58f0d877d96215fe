//! How often something may happen per address: the generic cell rate algorithm (ITU-T I.371), a token bucket that needs one
//! number per key.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::Mutex,
    time::{Duration, Instant},
};

/// As much as the rate allows in this time may happen at once.
const BURST: Duration = Duration::from_secs(10);

/// Further keys share one bucket, which bounds the memory that a client with a new address for each request can take.
const MAX_KEYS: usize = 100_000;

/// A limit per key. Forgets keys whose bucket is full again.
pub(in crate::http) struct RateLimit<K> {
    /// The time that one costs. None means no limit.
    cost: Option<Duration>,
    buckets: Mutex<Buckets<K>>,
}

struct Buckets<K> {
    /// When each bucket will be full.
    full_at: HashMap<K, Instant>,
    /// The bucket that keys beyond `MAX_KEYS` share.
    others_full_at: Option<Instant>,
    sweep_at: usize,
}

impl<K: Copy + Eq + Hash> RateLimit<K> {
    /// Allows `per_sec` a second, and ten seconds' worth at once. Zero allows everything.
    pub fn new(per_sec: u32) -> Self {
        Self {
            cost: (per_sec > 0).then(|| Duration::from_secs(1) / per_sec),
            buckets: Mutex::new(Buckets {
                full_at: HashMap::new(),
                others_full_at: None,
                sweep_at: 1024,
            }),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long to wait for the next.
    pub fn take(&self, key: K, now: Instant) -> Result<(), Duration> {
        self.take_many(key, 1, now)
    }

    /// Takes several; no more than a full bucket holds.
    ///
    /// # Errors
    /// How long to wait for them.
    pub fn take_many(&self, key: K, count: usize, now: Instant) -> Result<(), Duration> {
        let Some(cost) = self.cost else { return Ok(()) };
        let cost = cost.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)).min(BURST);
        let mut buckets = self.buckets.lock().expect("never held in a panic");
        let known_full_at = buckets.full_at.get(&key).copied();
        let is_other = known_full_at.is_none() && !buckets.make_room(now);
        let full_at = if is_other { buckets.others_full_at } else { known_full_at };
        let full_at = full_at.unwrap_or(now).max(now);
        let would_be_full_at = full_at + cost;
        let allowed_until = now + BURST;
        if would_be_full_at > allowed_until {
            return Err(would_be_full_at - allowed_until);
        }
        if is_other {
            buckets.others_full_at = Some(would_be_full_at);
        } else {
            buckets.full_at.insert(key, would_be_full_at);
        }
        Ok(())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Whether another key can be remembered. Sweeps when there are twice as many as after the last time.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.full_at.len() >= self.sweep_at {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.sweep_at = (self.full_at.len() * 2).clamp(1024, MAX_KEYS);
        }
        self.full_at.len() < MAX_KEYS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_seconds_worth_at_once_and_then_the_rate() {
        let limit = RateLimit::new(5);
        let start = Instant::now();
        assert_eq!((0..100).filter(|_| limit.take("a", start).is_ok()).count(), 50);
        assert_eq!(limit.take("a", start), Err(Duration::from_millis(200)));
        assert_eq!(limit.take("b", start), Ok(()), "each key has its own");
        let later = start + Duration::from_secs(2);
        assert_eq!((0..100).filter(|_| limit.take("a", later).is_ok()).count(), 10);
    }

    #[test]
    fn several_cost_as_much_as_one_after_the_other_and_never_more_than_can_be_had() {
        let limit = RateLimit::new(5);
        let start = Instant::now();
        assert_eq!(limit.take_many("a", 48, start), Ok(()));
        assert_eq!(limit.take_many("a", 3, start), Err(Duration::from_millis(200)));
        assert_eq!(limit.take_many("a", 2, start), Ok(()));
        assert_eq!(limit.take_many("b", 1_000, start), Ok(()));
        assert_eq!(limit.take("b", start), Err(Duration::from_millis(200)));
    }

    #[test]
    fn zero_turns_the_limit_off() {
        let limit = RateLimit::new(0);
        let start = Instant::now();
        assert!((0..10_000).all(|_| limit.take("a", start).is_ok()));
    }

    #[test]
    fn memory_is_bounded_and_strangers_share_what_is_left() {
        let limit = RateLimit::new(1);
        let start = Instant::now();
        let allowed = (0..MAX_KEYS + 1_000).filter(|key| limit.take(*key, start).is_ok()).count();
        assert_eq!(allowed, MAX_KEYS + 10);
        let later = start + Duration::from_secs(20);
        assert!((0..1_000).all(|key| limit.take(usize::MAX - key, later).is_ok()));
        assert!(limit.buckets.lock().unwrap().full_at.len() <= 1_000, "full buckets are forgotten");
    }
}
