//! How large keys of LiveKit's Redis were, and which of them are too large to be read.
//!
//! Pure: callers pass the time.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A room, or a value, that is larger is never fetched: LiveKit's API is asked about it. Ten thousand people with six kilobytes
/// each. What is read is decoded piece by piece, so that an instance uses some times as much memory for a moment.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;
/// A key that is larger is read in pieces, where Redis allows that, and by one reader at a time.
pub(super) const WHOLE_BYTES: usize = 256 * 1024;
/// After this many readings in a row without an answer in time a key counts as too large: its size cannot be asked, or one value of
/// it takes too long.
const MAX_SLOW: u32 = 2;
/// Then it is left alone for this long, since each try costs the connection.
const LEFT_ALONE: Duration = Duration::from_mins(10);
/// Keys of which something is remembered.
const MAX_KEYS: usize = 1_000;

/// What is remembered of keys that are large.
#[derive(Debug, Default)]
pub(super) struct Sizes(HashMap<String, Noted>);

#[derive(Debug, Default)]
struct Noted {
    /// What the last reading brought.
    bytes: usize,
    /// Readings in a row that got no answer in time.
    slow: u32,
    not_before: Option<Instant>,
    /// Whether the log says that it is too large.
    is_said: bool,
}

impl Sizes {
    /// What a reading will probably bring; nothing for a key that was not large when it was read last.
    pub fn expected(&self, key: &str) -> usize {
        self.0.get(key).map_or(0, |noted| noted.bytes)
    }

    /// Whether a key may be read.
    pub fn may_read(&self, key: &str, now: Instant) -> bool {
        self.0.get(key).and_then(|noted| noted.not_before).is_none_or(|at| at <= now)
    }

    /// A reading brought this much. If that was too much, which could not be known before, the key is left alone for a while.
    pub fn read(&mut self, key: &str, bytes: usize, now: Instant) {
        if bytes <= WHOLE_BYTES {
            self.0.remove(key);
        } else if let Some(noted) = self.noted(key) {
            let is_too_large = bytes > MAX_BYTES;
            *noted = Noted {
                bytes,
                slow: 0,
                not_before: is_too_large.then(|| now + LEFT_ALONE),
                is_said: noted.is_said && is_too_large,
            };
        }
    }

    /// A reading of a key got no answer in time.
    pub fn slow(&mut self, key: &str, now: Instant) {
        if let Some(noted) = self.noted(key) {
            noted.slow += 1;
            if noted.slow >= MAX_SLOW {
                noted.not_before = Some(now + LEFT_ALONE);
            }
        }
    }

    /// A key is too large. Returns whether that has to be said.
    pub fn is_news(&mut self, key: &str) -> bool {
        self.noted(key).is_some_and(|noted| !std::mem::replace(&mut noted.is_said, true))
    }

    fn noted(&mut self, key: &str) -> Option<&mut Noted> {
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(key) {
            return None;
        }
        Some(self.0.entry(key.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_left_alone_after_two_readings_that_took_too_long() {
        let start = Instant::now();
        let mut sizes = Sizes::default();
        sizes.slow("a", start);
        assert!(sizes.may_read("a", start), "the other end may have hung");
        sizes.read("a", 10, start);
        sizes.slow("a", start);
        assert!(sizes.may_read("a", start));
        sizes.slow("a", start);
        assert!(!sizes.may_read("a", start + Duration::from_secs(599)));
        assert!(sizes.may_read("b", start), "others are read");
        assert!(sizes.may_read("a", start + Duration::from_mins(10)));
        sizes.slow("a", start + Duration::from_secs(603));
        assert!(!sizes.may_read("a", start + Duration::from_secs(604)), "one try each time");
    }

    #[test]
    fn that_a_key_is_too_large_is_said_once_until_it_was_read() {
        let mut sizes = Sizes::default();
        let said: Vec<_> = ["a", "a", "b", "a"].map(|key| sizes.is_news(key)).into();
        assert_eq!(said, [true, false, true, false]);
        sizes.read("a", 1_000_000, Instant::now());
        assert_eq!(sizes.expected("a"), 1_000_000);
        assert!(sizes.is_news("a"));
    }

    #[test]
    fn a_key_that_brought_too_much_is_left_alone_for_ten_minutes() {
        let start = Instant::now();
        let mut sizes = Sizes::default();
        sizes.read("a", MAX_BYTES, start);
        assert!(sizes.may_read("a", start));
        for minutes in [0, 10] {
            let now = start + Duration::from_mins(minutes);
            assert!(sizes.may_read("a", now));
            sizes.read("a", MAX_BYTES + 1, now);
            assert!(!sizes.may_read("a", now + Duration::from_mins(9)));
            assert_eq!(sizes.is_news("a"), minutes == 0, "it is said once");
        }
    }

    #[test]
    fn only_large_keys_are_remembered_and_not_without_end() {
        let mut sizes = Sizes::default();
        let now = Instant::now();
        sizes.read("a", WHOLE_BYTES, now);
        assert!(sizes.0.is_empty());
        for number in 0..2 * MAX_KEYS {
            sizes.read(&number.to_string(), WHOLE_BYTES + 1, now);
        }
        assert_eq!(sizes.0.len(), MAX_KEYS);
        assert!(!sizes.is_news("another"));
    }
}
