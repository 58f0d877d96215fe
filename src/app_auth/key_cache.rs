//! Which keys of the app are held, and when to fetch them again. No I/O and no clock; callers pass the time.

use std::time::{Duration, Instant};

use crate::jwt::{TokenHeader, VerifyingKey};

use super::key_set::KeySet;

/// How long a set is fresh, if its answer does not say it.
const FRESH: Duration = Duration::from_mins(10);
/// What an answer may say.
const MIN_FRESH: Duration = Duration::from_secs(30);
const MAX_FRESH: Duration = Duration::from_hours(24);
/// The longest time that a set is used while a newer one cannot be fetched.
const MAX_AGE: Duration = Duration::from_hours(24);
/// A token that names an unknown key has the set fetched, since keys are rotated; but anybody can make up names.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_secs(30);
/// After a failure the set is fetched again after this time: tokens wait for the answer.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// The same while no set is held, so that no token can be verified.
const FIRST_RETRY_DELAY: Duration = Duration::from_secs(2);

/// The set that is held.
#[derive(Default)]
pub struct KeyCache {
    held: Option<Held>,
    /// After a failure.
    retry_at: Option<Instant>,
    /// After a token with an unknown key.
    unknown_again_at: Option<Instant>,
    failure: String,
}

struct Held {
    set: KeySet,
    fetched_at: Instant,
    fresh_until: Instant,
}

/// What is known of a token's key.
pub enum Lookup {
    Known(VerifyingKey),
    /// It is not in the set.
    Unknown,
    /// There is no set, because of this.
    Away(String),
}

impl KeyCache {
    /// Whether to fetch the set before a token is verified.
    pub fn is_fetch_due(&mut self, header: &TokenHeader, now: Instant) -> bool {
        if self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return false;
        }
        let Some(held) = &self.held else { return true };
        if now >= held.fresh_until {
            return true;
        }
        let is_asked_lately = self.unknown_again_at.is_some_and(|at| now < at);
        if held.set.find(header).is_some() || is_asked_lately {
            return false;
        }
        self.unknown_again_at = Some(now + UNKNOWN_KEY_INTERVAL);
        true
    }

    pub fn look_up(&self, header: &TokenHeader, now: Instant) -> Lookup {
        let held = self.held.as_ref().filter(|held| now < held.fetched_at + MAX_AGE);
        let Some(held) = held else { return Lookup::Away(self.failure.clone()) };
        held.set.find(header).cloned().map_or(Lookup::Unknown, Lookup::Known)
    }

    /// `fresh` is what the answer says, if it does.
    pub fn fetched(&mut self, set: KeySet, fresh: Option<Duration>, now: Instant) {
        let fresh = fresh.unwrap_or(FRESH).clamp(MIN_FRESH, MAX_FRESH);
        self.held = Some(Held { set, fetched_at: now, fresh_until: now + fresh });
        self.retry_at = None;
    }

    pub fn failed(&mut self, why: String, now: Instant) {
        let delay = if self.held.is_some() { RETRY_DELAY } else { FIRST_RETRY_DELAY };
        self.retry_at = Some(now + delay);
        self.failure = why;
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use serde_json::json;

    use crate::jwt::Signature;

    use super::*;

    fn set(id: &str) -> KeySet {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": URL_SAFE_NO_PAD.encode([7; 32])});
        KeySet::parse(json!({"keys": [key]}).to_string().as_bytes()).unwrap()
    }

    fn token(id: &str) -> TokenHeader {
        TokenHeader { signature: Signature::EdDsa, key_id: Some(id.to_owned()) }
    }

    fn is_known(cache: &KeyCache, id: &str, now: Instant) -> bool {
        matches!(cache.look_up(&token(id), now), Lookup::Known(_))
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_set_is_fetched_again_when_its_answer_says_so_or_after_ten_minutes() {
        let start = Instant::now();
        let cases = [
            (None, 600),
            (Some(secs(60)), 60),
            (Some(Duration::ZERO), 30),
            (Some(Duration::MAX), 86_400),
        ];
        for (fresh, expected) in cases {
            let mut cache = KeyCache::default();
            assert!(cache.is_fetch_due(&token("a"), start));
            cache.fetched(set("a"), fresh, start);
            assert!(!cache.is_fetch_due(&token("a"), start + secs(expected - 1)), "{fresh:?}");
            assert!(cache.is_fetch_due(&token("a"), start + secs(expected)), "{fresh:?}");
        }
    }

    #[test]
    fn an_unknown_key_has_the_set_fetched_once_in_thirty_seconds() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.fetched(set("a"), None, start);
        assert!(cache.is_fetch_due(&token("b"), start + secs(1)), "keys may have been rotated");
        assert!(!cache.is_fetch_due(&token("c"), start + secs(2)));
        assert!(!cache.is_fetch_due(&token("d"), start + secs(30)));
        assert!(cache.is_fetch_due(&token("d"), start + secs(31)));
        assert!(
            !cache.is_fetch_due(&token("a"), start + secs(40)),
            "whose key is known waits for none"
        );
        assert!(is_known(&cache, "a", start + secs(40)));
        assert!(matches!(cache.look_up(&token("b"), start), Lookup::Unknown));
    }

    #[test]
    fn an_old_set_is_used_for_a_day_while_no_newer_one_can_be_fetched() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.fetched(set("a"), None, start);
        let mut now = start + secs(600);
        while now < start + Duration::from_hours(24) {
            assert!(cache.is_fetch_due(&token("a"), now));
            cache.failed("it hangs".to_owned(), now);
            assert!(is_known(&cache, "a", now));
            assert!(
                !cache.is_fetch_due(&token("a"), now + secs(29)),
                "it is not asked all the time"
            );
            now += secs(30);
        }
        let Lookup::Away(why) = cache.look_up(&token("a"), now) else { panic!("it is too old") };
        assert_eq!(why, "it hangs");
        cache.fetched(set("b"), None, now);
        assert!(
            is_known(&cache, "b", now) && !is_known(&cache, "a", now),
            "a key that is gone is gone"
        );
    }

    #[test]
    fn without_any_set_it_is_asked_for_every_two_seconds() {
        let start = Instant::now();
        let mut cache = KeyCache::default();
        cache.failed("it is away".to_owned(), start);
        assert!(!cache.is_fetch_due(&token("a"), start + secs(1)));
        assert!(matches!(cache.look_up(&token("a"), start + secs(1)), Lookup::Away(_)));
        assert!(cache.is_fetch_due(&token("a"), start + secs(2)));
    }
}
