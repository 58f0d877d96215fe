//! Whether all webhooks come from the LiveKit that is asked. If a second LiveKit has a room of the same name, its people are
//! taken out again, because the first does not list them.
//!
//! Pure: callers pass the time. A second key alone proves nothing: one LiveKit may have several, and changes them. But LiveKit
//! lists the people whom its webhooks name. If it lists one of a key's people, the key is its own. If several are missing and
//! none was ever listed, the key is another LiveKit's.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::presence::{ParticipantSid, RoomName, SessionInfo};

/// After this many people whom LiveKit does not list a key is another's. One or two may be a lost leave, or a list that lags.
const ENOUGH_MISSING: usize = 3;
/// Somebody who joined less than this before does not count as missing, because lists lag.
const LISTED_AFTER: Duration = Duration::from_secs(5);
/// The most people remembered while the owner of their key is open.
const MAX_PEOPLE: usize = 1_000;

/// The keys other than the one that signs our calls.
#[derive(Debug, Default)]
pub struct Signers {
    keys: HashMap<String, Verdict>,
    /// People named by webhooks whose key may be another LiveKit's.
    people: HashMap<RoomName, Vec<Named>>,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// So far people were missing, and none was listed.
    Open {
        missing: usize,
    },
    /// The key of the LiveKit that is asked.
    Ours,
    Anothers,
}

#[derive(Debug)]
struct Named {
    sid: ParticipantSid,
    key: String,
    at: Instant,
}

impl Signers {
    /// A webhook signed with this key said that somebody joined.
    pub fn joined(&mut self, room: &RoomName, sid: &ParticipantSid, key: &str, now: Instant) {
        let verdict = match self.keys.get(key) {
            Some(verdict) => *verdict,
            None => *self.keys.entry(key.to_owned()).or_insert(Verdict::Open { missing: 0 }),
        };
        if matches!(verdict, Verdict::Open { .. }) && self.count < MAX_PEOPLE {
            let named = Named { sid: sid.clone(), key: key.to_owned(), at: now };
            self.people.entry(room.clone()).or_default().push(named);
            self.count += 1;
        }
    }

    /// Somebody left, so LiveKit need not list them.
    pub fn left(&mut self, room: &RoomName, sid: &ParticipantSid) {
        self.keep(room, |named| named.sid != *sid);
    }

    /// LiveKit, asked at `asked_at`, listed these. Returns the name of a key that has turned out to be another LiveKit's, once.
    pub fn listed(
        &mut self,
        room: &RoomName,
        listed: &[SessionInfo],
        asked_at: Instant,
    ) -> Option<String> {
        let mut anothers = None;
        for named in self.people.get(room)? {
            let Some(verdict) = self.keys.get_mut(&named.key) else { continue };
            let is_listed = listed.iter().any(|info| info.sid == named.sid);
            match verdict {
                Verdict::Open { .. } if is_listed => *verdict = Verdict::Ours,
                Verdict::Open { missing } if is_missed(named, asked_at) => {
                    *missing += 1;
                    if *missing >= ENOUGH_MISSING {
                        *verdict = Verdict::Anothers;
                        anothers = Some(named.key.clone());
                    }
                }
                Verdict::Open { .. } | Verdict::Ours | Verdict::Anothers => {}
            }
        }
        let open: Vec<_> = self.keys.iter().filter(|(_, verdict)| is_open(**verdict)).collect();
        let open: Vec<String> = open.into_iter().map(|(key, _)| key.clone()).collect();
        self.keep(room, |named| open.contains(&named.key) && !is_missed(named, asked_at));
        anothers
    }

    fn keep(&mut self, room: &RoomName, is_kept: impl Fn(&Named) -> bool) {
        let Some(people) = self.people.get_mut(room) else { return };
        let before = people.len();
        people.retain(is_kept);
        self.count -= before - people.len();
        if people.is_empty() {
            self.people.remove(room);
        }
    }
}

/// Whether they joined long enough ago for LiveKit to list them.
fn is_missed(named: &Named, asked_at: Instant) -> bool {
    asked_at.saturating_duration_since(named.at) > LISTED_AFTER
}

fn is_open(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Open { .. })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::presence::{Identity, LiveKitTime, Profile, SessionState};

    fn room() -> RoomName {
        RoomName::parse("general").unwrap()
    }

    fn sid(name: &str) -> ParticipantSid {
        ParticipantSid::new(name)
    }

    fn info(name: &str) -> SessionInfo {
        SessionInfo {
            sid: sid(name),
            identity: Identity::new(name),
            state: SessionState::Active,
            joined_at: LiveKitTime::default(),
            version: 2,
            hidden: false,
            recorder: false,
            profile: Arc::new(Profile::default()),
            tracks: Vec::new(),
        }
    }

    /// Returns the second key if it is found to be another's after `joined` joined by its webhooks, `left` left, and LiveKit
    /// lists `listed` after some seconds.
    fn verdict(joined: &[&str], left: &[&str], listed: &[&str], after: u64) -> Option<String> {
        let start = Instant::now();
        let mut signers = Signers::default();
        for name in joined {
            signers.joined(&room(), &sid(name), "APIother", start);
        }
        for name in left {
            signers.left(&room(), &sid(name));
        }
        let listed: Vec<_> = listed.iter().map(|name| info(name)).collect();
        signers.listed(&room(), &listed, start + Duration::from_secs(after))
    }

    #[test]
    fn a_key_is_another_livekits_if_livekit_lists_none_of_its_people() {
        let three = ["a", "b", "c"];
        let anothers = Some("APIother".to_owned());
        for (joined, left, listed, after, expected) in [
            (&three[..], &[][..], &["ours"][..], 6, anothers.clone()),
            (&three[..2], &[], &[], 6, None),
            (&three, &["b"], &[], 6, None),
            (&three, &[], &[], 4, None),
            (&["a", "b", "c", "d"], &[], &["a"], 6, None),
        ] {
            assert_eq!(verdict(joined, left, listed, after), expected, "{joined:?} {listed:?}");
        }
    }

    #[test]
    fn once_one_of_them_was_listed_the_key_is_livekits_own() {
        let start = Instant::now();
        let mut signers = Signers::default();
        signers.joined(&room(), &sid("a"), "APInew", start);
        assert_eq!(signers.listed(&room(), &[info("a")], start), None);
        for name in ["b", "c", "d", "e"] {
            signers.joined(&room(), &sid(name), "APInew", start);
        }
        assert_eq!(signers.listed(&room(), &[], start + Duration::from_mins(1)), None);
        assert_eq!(signers.count, 0, "and nobody is remembered");
    }

    #[test]
    fn the_key_is_reported_once_and_the_memory_is_bounded() {
        let start = Instant::now();
        let mut signers = Signers::default();
        let mut said = 0;
        for number in 0..5_000 {
            signers.joined(&room(), &sid(&format!("PA_{number}")), "APIother", start);
            assert!(signers.count <= MAX_PEOPLE);
            if number % 1_500 == 0 {
                let asked_at = start + Duration::from_mins(1);
                said += usize::from(signers.listed(&room(), &[], asked_at).is_some());
            }
        }
        assert_eq!(said, 1);
    }
}
