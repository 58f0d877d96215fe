//! How many streams are open: in all, per client address and per identity. A newcomer is refused, nobody is evicted.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex},
};

use sha2::{Digest, Sha256};

use super::client_address::ClientAddress;

/// Counts open streams.
pub(super) struct StreamLimits {
    most: usize,
    /// Zero: no limit. So for identities.
    per_address: u32,
    per_identity: u32,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    streams: usize,
    by_address: HashMap<ClientAddress, u32>,
    by_identity: HashMap<IdentityKey, u32>,
}

/// Stands for whom a token names, whatever the length of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct IdentityKey([u8; 16]);

impl IdentityKey {
    pub fn of(issuer: &str, identity: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update((issuer.len() as u64).to_le_bytes());
        hash.update(issuer);
        hash.update(identity);
        let mut key = [0; 16];
        key.copy_from_slice(&hash.finalize()[..16]);
        Self(key)
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooManyStreams {
    InAll,
    OfAddress,
    OfIdentity,
}

/// An open stream, counted until this is dropped.
pub(super) struct StreamPermit {
    limits: Arc<StreamLimits>,
    address: ClientAddress,
    identity: Option<IdentityKey>,
}

impl StreamLimits {
    pub fn new(most: usize, per_address: u32, per_identity: u32) -> Arc<Self> {
        Arc::new(Self { most, per_address, per_identity, open: Mutex::default() })
    }

    pub fn open(
        self: &Arc<Self>,
        address: ClientAddress,
        identity: Option<IdentityKey>,
    ) -> Result<StreamPermit, TooManyStreams> {
        let mut open = self.open.lock().expect("never held in a panic");
        if open.streams >= self.most {
            return Err(TooManyStreams::InAll);
        }
        if is_reached(&open.by_address, address, self.per_address) {
            return Err(TooManyStreams::OfAddress);
        }
        if identity.is_some_and(|one| is_reached(&open.by_identity, one, self.per_identity)) {
            return Err(TooManyStreams::OfIdentity);
        }
        open.streams += 1;
        *open.by_address.entry(address).or_default() += 1;
        if let Some(identity) = identity {
            *open.by_identity.entry(identity).or_default() += 1;
        }
        Ok(StreamPermit { limits: Arc::clone(self), address, identity })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.limits.open.lock().expect("never held in a panic");
        open.streams -= 1;
        release(&mut open.by_address, self.address);
        if let Some(identity) = self.identity {
            release(&mut open.by_identity, identity);
        }
    }
}

fn is_reached<K: Eq + Hash>(counts: &HashMap<K, u32>, key: K, limit: u32) -> bool {
    limit > 0 && counts.get(&key).is_some_and(|count| *count >= limit)
}

fn release<K: Copy + Eq + Hash>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> ClientAddress {
        ClientAddress::of([192, 0, 2, last].into())
    }

    #[test]
    fn each_limit_refuses_the_newcomer_and_a_dropped_permit_makes_room() {
        let limits = StreamLimits::new(4, 3, 2);
        let alice = Some(IdentityKey::of("key", "alice"));
        let first = limits.open(address(1), alice).unwrap();
        let _second = limits.open(address(1), alice).unwrap();
        let refused = |address, identity| limits.open(address, identity).err();
        assert_eq!(refused(address(2), alice), Some(TooManyStreams::OfIdentity));
        let _third = limits.open(address(1), None).unwrap();
        assert_eq!(refused(address(1), None), Some(TooManyStreams::OfAddress));
        let _fourth = limits.open(address(2), None).unwrap();
        assert_eq!(refused(address(3), None), Some(TooManyStreams::InAll));
        drop(first);
        assert!(limits.open(address(2), alice).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_streams_that_are_closed() {
        let limits = StreamLimits::new(4, 0, 0);
        drop(limits.open(address(1), Some(IdentityKey::of("key", "alice"))));
        let open = limits.open.lock().unwrap();
        assert_eq!((open.streams, open.by_address.len(), open.by_identity.len()), (0, 0, 0));
    }

    #[test]
    fn an_identity_is_its_issuers_own() {
        assert_ne!(IdentityKey::of("a", "bc"), IdentityKey::of("ab", "c"));
    }
}
