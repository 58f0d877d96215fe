//! A map that forgets entries older than a bound. Forgetting costs in proportion to what is forgotten.

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::Hash,
};

use super::time::StoreTime;

/// Keys with the time of their last insertion.
#[derive(Clone, Debug)]
pub(super) struct Remembered<K, V = ()> {
    entries: HashMap<K, (StoreTime, V)>,
    /// Every insertion, oldest first. A key that was inserted again is here twice, and the later insertion counts.
    order: VecDeque<(StoreTime, K)>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Remembered<K, V> {
    pub fn insert(&mut self, key: K, value: V, now: StoreTime) {
        self.order.push_back((now, key.clone()));
        self.entries.insert(key, (now, value));
    }

    /// Inserts what was inserted at an earlier time, and forgotten here since.
    pub fn restore(&mut self, key: K, value: V, at: StoreTime) {
        let place = self.order.partition_point(|(put, _)| *put <= at);
        self.order.insert(place, (at, key.clone()));
        self.entries.insert(key, (at, value));
    }

    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&(StoreTime, V)>
    where
        K: Borrow<Q>,
    {
        self.entries.get(key)
    }

    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    pub fn contains<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.entries.contains_key(key)
    }

    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// Whether [`Self::forget_before`] would look at an entry.
    pub fn has_older_than(&self, oldest: StoreTime) -> bool {
        self.order.front().is_some_and(|(at, _)| *at < oldest)
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Forgets what was inserted before `oldest`, except keys that `keep` wants: those count as inserted at `now`.
    pub fn forget_before(&mut self, oldest: StoreTime, now: StoreTime, keep: impl Fn(&K) -> bool) {
        while let Some((at, key)) = self.order.pop_front_if(|(at, _)| *at < oldest) {
            let is_newest = self.entries.get(&key).is_some_and(|(put, _)| *put == at);
            if !is_newest {
                continue;
            }
            if keep(&key) {
                if let Some((put, _)) = self.entries.get_mut(&key) {
                    *put = now;
                }
                self.order.push_back((now, key));
            } else {
                self.entries.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> StoreTime {
        StoreTime::from_micros(micros)
    }

    #[test]
    fn entries_older_than_the_bound_are_forgotten_unless_inserted_again_or_wanted() {
        let mut remembered = Remembered::default();
        remembered.insert("old", (), at(1));
        remembered.insert("again", (), at(2));
        remembered.insert("wanted", (), at(3));
        remembered.insert("again", (), at(20));

        remembered.forget_before(at(10), at(25), |key| *key == "wanted");

        assert!(!remembered.contains("old"));
        assert!(remembered.contains("again"));
        assert!(remembered.contains("wanted"));

        remembered.forget_before(at(21), at(30), |_| false);
        assert!(!remembered.contains("again"));
        assert!(remembered.contains("wanted"), "it was renewed at 25");
        remembered.forget_before(at(26), at(30), |_| false);
        assert_eq!(remembered.len(), 0);
        assert!(remembered.order.is_empty());
    }
}
