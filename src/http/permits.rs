//! How many connections and streams there are: in all, per client address, per identity. A newcomer is refused, nobody is
//! evicted.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard},
};

use sha2::{Digest, Sha256};
use slab::Slab;

use crate::delivery::{self, Permit};

use super::client_address::ClientAddress;

/// What an operator, or the system, allows. Zero is no limit for addresses and identities.
#[derive(Clone, Copy, Debug)]
pub(super) struct MostPermits {
    pub connections: usize,
    pub connections_per_address: usize,
    pub streams: usize,
    pub streams_per_address: usize,
    pub streams_per_identity: usize,
}

/// Gives permits as long as there are some.
pub(super) struct Permits {
    most: MostPermits,
    given: Mutex<Given>,
}

/// What is held, side by side: among the short-lived memory of requests each would keep a page of it.
#[derive(Default)]
struct Given {
    holders: Slab<Holder>,
    streams: usize,
    connections_of: HashMap<ClientAddress, usize>,
    streams_of: HashMap<ClientAddress, usize>,
    streams_as: HashMap<IdentityKey, usize>,
}

#[derive(Clone, Copy)]
enum Holder {
    /// No address where connections from it are somebody else's, as those of a proxy are.
    Connection(Option<ClientAddress>),
    Stream(ClientAddress, Option<IdentityKey>),
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
pub(super) enum TooMany {
    InAll,
    OfAddress,
    OfIdentity,
}

impl Permits {
    pub fn new(most: MostPermits) -> Arc<Self> {
        Arc::new(Self { most, given: Mutex::default() })
    }

    /// For a connection. `peer` is counted where it is the client's own address.
    pub fn connect(self: &Arc<Self>, peer: Option<ClientAddress>) -> Result<Permit, TooMany> {
        let mut given = self.given();
        if given.connections() >= self.most.connections {
            return Err(TooMany::InAll);
        }
        if let Some(peer) = peer {
            let refused = TooMany::OfAddress;
            count(&mut given.connections_of, peer, self.most.connections_per_address, refused)?;
        }
        Ok(self.give(&mut given, Holder::Connection(peer)))
    }

    /// For a stream, beside its connection's.
    pub fn open_stream(
        self: &Arc<Self>,
        address: ClientAddress,
        identity: Option<IdentityKey>,
    ) -> Result<Permit, TooMany> {
        let mut given = self.given();
        if given.streams >= self.most.streams {
            return Err(TooMany::InAll);
        }
        let most = self.most.streams_per_address;
        count(&mut given.streams_of, address, most, TooMany::OfAddress)?;
        if let Some(identity) = identity {
            let most = self.most.streams_per_identity;
            if let Err(refused) = count(&mut given.streams_as, identity, most, TooMany::OfIdentity)
            {
                discount(&mut given.streams_of, address);
                return Err(refused);
            }
        }
        given.streams += 1;
        Ok(self.give(&mut given, Holder::Stream(address, identity)))
    }

    fn give(self: &Arc<Self>, given: &mut Given, holder: Holder) -> Permit {
        let key = given.holders.insert(holder);
        let key = u32::try_from(key).expect("at most two for each descriptor");
        Permit::new(Arc::clone(self) as Arc<dyn delivery::Permits>, key)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().expect("never held in a panic")
    }
}

impl delivery::Permits for Permits {
    fn take_back(&self, key: u32) {
        let mut given = self.given();
        match given.holders.remove(key as usize) {
            Holder::Connection(None) => {}
            Holder::Connection(Some(peer)) => discount(&mut given.connections_of, peer),
            Holder::Stream(address, identity) => {
                given.streams -= 1;
                discount(&mut given.streams_of, address);
                if let Some(identity) = identity {
                    discount(&mut given.streams_as, identity);
                }
            }
        }
    }
}

impl Given {
    fn connections(&self) -> usize {
        self.holders.len() - self.streams
    }
}

fn count<K: Eq + Hash>(
    counts: &mut HashMap<K, usize>,
    key: K,
    most: usize,
    refused: TooMany,
) -> Result<(), TooMany> {
    let count = counts.entry(key).or_default();
    if most > 0 && *count >= most {
        return Err(refused);
    }
    *count += 1;
    Ok(())
}

fn discount<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
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

    const MOST: MostPermits = MostPermits {
        connections: 3,
        connections_per_address: 2,
        streams: 4,
        streams_per_address: 3,
        streams_per_identity: 2,
    };

    fn address(last: u8) -> ClientAddress {
        ClientAddress::of([192, 0, 2, last].into())
    }

    #[test]
    fn each_limit_of_streams_refuses_the_newcomer_and_a_dropped_permit_makes_room() {
        let permits = Permits::new(MOST);
        let alice = Some(IdentityKey::of("key", "alice"));
        let first = permits.open_stream(address(1), alice).unwrap();
        let _second = permits.open_stream(address(1), alice).unwrap();
        let refused = |address, identity| permits.open_stream(address, identity).err();
        assert_eq!(refused(address(2), alice), Some(TooMany::OfIdentity));
        let _third = permits.open_stream(address(1), None).unwrap();
        assert_eq!(refused(address(1), None), Some(TooMany::OfAddress));
        let _fourth = permits.open_stream(address(2), None).unwrap();
        assert_eq!(refused(address(3), None), Some(TooMany::InAll));
        drop(first);
        assert!(permits.open_stream(address(2), alice).is_ok());
    }

    #[test]
    fn one_address_cannot_have_all_connections_but_a_proxy_can() {
        let permits = Permits::new(MOST);
        let _first = permits.connect(Some(address(1))).unwrap();
        let second = permits.connect(Some(address(1))).unwrap();
        assert_eq!(permits.connect(Some(address(1))).err(), Some(TooMany::OfAddress));
        let _proxied = permits.connect(None).unwrap();
        assert_eq!(permits.connect(Some(address(2))).err(), Some(TooMany::InAll));
        drop(second);
        assert!(permits.connect(None).is_ok());
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone_or_was_refused() {
        let permits = Permits::new(MostPermits { streams_per_identity: 1, ..MOST });
        let alice = Some(IdentityKey::of("key", "alice"));
        let stream = permits.open_stream(address(1), alice).unwrap();
        assert!(permits.open_stream(address(2), alice).is_err());
        drop((stream, permits.connect(Some(address(3)))));
        let given = permits.given();
        assert_eq!((given.streams, given.connections()), (0, 0));
        assert!(given.connections_of.is_empty());
        assert!(given.streams_of.is_empty());
        assert!(given.streams_as.is_empty());
    }

    #[test]
    fn an_identity_is_its_issuers_own() {
        assert_ne!(IdentityKey::of("a", "bc"), IdentityKey::of("ab", "c"));
    }
}
