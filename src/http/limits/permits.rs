//! How many connections, large heads and streams there are: in all, per client address, per identity.
//!
//! At a limit the newcomer is refused, with three exceptions. A connection that waits for a request makes room for a new one, and
//! those without any valid request go first. The large head that has taken the longest makes room for a new one. And an
//! identity's newest stream takes the place of its oldest.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use slab::Slab;
use tokio::sync::Notify;

use crate::delivery::{self, Permit};

use super::{
    client_address::{ClientAddress, Peer},
    identity_key::IdentityKey,
    seats::{Seats, Share, StreamSeat},
};

/// An address with streams of this many people is most likely a proxy's.
const MANY_IDENTITIES: usize = 10;
/// Looking for such an address visits all streams, so it happens at most this often.
const LOOK_FOR_PROXY_INTERVAL: Duration = Duration::from_secs(10);

/// What the operator and the system allow. Zero means no limit for the streams of an address or identity.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct PermitLimits {
    pub connections: usize,
    /// Of these, kept for webhooks from peers that have sent a verified one.
    pub webhook_connections: usize,
    pub connections_per_address: usize,
    pub large_heads: usize,
    pub large_heads_per_address: usize,
    pub streams: usize,
    pub streams_per_address: usize,
    pub streams_per_identity: usize,
}

/// Gives permits within the limits.
pub(in crate::http) struct Permits {
    most: PermitLimits,
    given: Mutex<Given>,
}

/// The permits that are held, in one slab. If each were allocated by itself, among the short-lived memory of requests, each could
/// keep a whole page alive.
#[derive(Default)]
struct Given {
    holders: Slab<Holder>,
    seats: Seats,
    /// The permits of large heads, the oldest first.
    large_heads: VecDeque<u32>,
    streams: usize,
    connections_of: HashMap<ClientAddress, usize>,
    large_heads_of: HashMap<ClientAddress, usize>,
    streams_of: HashMap<ClientAddress, usize>,
    /// The permits of each identity's streams, the oldest first. Those that were replaced are not among them.
    streams_as: HashMap<IdentityKey, VecDeque<u32>>,
    looked_for_proxy_at: Option<Instant>,
}

enum Holder {
    /// `counted` is none for a proxy, whose connections are those of many clients.
    Connection { counted: Option<ClientAddress>, share: Share, told_to_leave: Arc<Notify> },
    /// A connection that was told to leave, and is no longer counted.
    Leaving,
    /// The large head of a connection that was told to leave.
    LeavingHead,
    /// The head of this connection's request.
    LargeHead { counted: Option<ClientAddress>, connection: u32 },
    Stream {
        address: ClientAddress,
        identity: Option<IdentityKey>,
        is_replaced: bool,
        /// Once it is written: the place of its connection, which has no permit of its own from then on.
        seat: Option<StreamSeat>,
    },
}

/// A connection's permit.
pub(in crate::http) struct Seat {
    pub permit: Permit,
    /// Notified once, when somebody else gets the place.
    pub told_to_leave: Arc<Notify>,
    pub share: Share,
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum TooMany {
    InAll,
    OfAddress,
}

impl Permits {
    pub fn new(most: PermitLimits) -> Arc<Self> {
        Arc::new(Self { most, given: Mutex::default() })
    }

    /// Gives a connection its permit. Some places are reserved for peers that have sent a verified webhook.
    pub fn connect(self: &Arc<Self>, peer: Peer) -> Result<Seat, TooMany> {
        let mut given = self.given();
        let share = match given.find_place(&self.most, peer) {
            Ok(()) => Share::Anybody,
            Err(_) if given.find_webhook_place(&self.most, peer) => Share::Webhooks,
            Err(refused) => return Err(refused),
        };
        let counted = (share == Share::Anybody && !peer.is_proxy).then_some(peer.address);
        if let Some(address) = counted {
            *given.connections_of.entry(address).or_default() += 1;
        }
        let told_to_leave = Arc::new(Notify::new());
        let holder =
            Holder::Connection { counted, share, told_to_leave: Arc::clone(&told_to_leave) };
        let permit = self.give(&mut given, holder);
        given.seats.take(permit.key(), share);
        Ok(Seat { permit, told_to_leave, share })
    }

    /// A request is about to be answered: from now on its connection is not told to leave. False if it was told before.
    pub fn begin(&self, connection: &Permit) -> bool {
        self.given().seats.begin(connection.key())
    }

    /// The request is answered: the connection waits for the next, and can be told to leave.
    pub fn wait(&self, connection: &Permit, peer: Peer, is_valid: bool) {
        self.given().seats.wait(connection.key(), peer, is_valid);
    }

    /// The connection is a stream's from now on, whose permit stands for both.
    pub fn settle(&self, connection: Permit, stream: &Permit) {
        let key = connection.let_go();
        let mut given = self.given();
        let given = &mut *given;
        given.seats.settle(key);
        let Holder::Connection { counted, share, .. } = given.holders.remove(key as usize) else {
            given.seats.has_left();
            return;
        };
        if let Some(Holder::Stream { address, seat, .. }) =
            given.holders.get_mut(stream.key() as usize)
        {
            debug_assert!(
                counted.is_none_or(|counted| counted == *address),
                "the peer is no proxy"
            );
            *seat = Some(StreamSeat { share, is_counted: counted.is_some() });
        }
    }

    /// This peer sent a verified webhook.
    pub fn remember_webhook_sender(&self, peer: Peer) {
        self.given().seats.remember_webhook_sender(peer.address);
    }

    /// Gives a large head its permit, in addition to the connection's. At the limit, the head that has taken the longest to
    /// arrive makes room.
    pub fn read_large_head(
        self: &Arc<Self>,
        connection: &Permit,
        peer: Peer,
    ) -> Result<Permit, TooMany> {
        let mut given = self.given();
        let counted = (!peer.is_proxy).then_some(peer.address);
        if let Some(address) = counted {
            count(&mut given.large_heads_of, address, self.most.large_heads_per_address)?;
        }
        if given.large_heads.len() >= self.most.large_heads && !given.end_oldest_large_head() {
            if let Some(address) = counted {
                discount(&mut given.large_heads_of, address);
            }
            return Err(TooMany::InAll);
        }
        let permit =
            self.give(&mut given, Holder::LargeHead { counted, connection: connection.key() });
        given.large_heads.push_back(permit.key());
        Ok(permit)
    }

    /// Gives a stream its permit, in addition to the connection's.
    pub fn open_stream(
        self: &Arc<Self>,
        address: ClientAddress,
        identity: Option<IdentityKey>,
    ) -> Result<Permit, TooMany> {
        let mut given = self.given();
        if given.streams >= self.most.streams {
            return Err(TooMany::InAll);
        }
        count(&mut given.streams_of, address, self.most.streams_per_address)?;
        given.streams += 1;
        Ok(self
            .give(&mut given, Holder::Stream { address, identity, is_replaced: false, seat: None }))
    }

    /// Notes that a stream begins. Returns its identity if it has too many streams now.
    pub fn begin_stream(&self, stream: &Permit) -> Option<IdentityKey> {
        let mut given = self.given();
        let holder = given.holders.get(stream.key() as usize);
        let Some(&Holder::Stream { identity: Some(identity), .. }) = holder else { return None };
        let streams = given.streams_as.entry(identity).or_default();
        streams.push_back(stream.key());
        let most = self.most.streams_per_identity;
        (most > 0 && streams.len() > most).then_some(identity)
    }

    /// Notes whose a stream is that began without an identity. Returns the identity if it has too many streams now.
    pub fn identify(&self, stream: &Permit, identity: IdentityKey) -> Option<IdentityKey> {
        if let Some(Holder::Stream { identity: unknown @ None, .. }) =
            self.given().holders.get_mut(stream.key() as usize)
        {
            *unknown = Some(identity);
        }
        self.begin_stream(stream)
    }

    /// Revokes the permits of an identity's oldest streams until it has no more than it may, and returns them: those streams must
    /// end.
    pub fn revoke_oldest(&self, identity: IdentityKey) -> Vec<u32> {
        let mut given = self.given();
        let given = &mut *given;
        let Some(streams) = given.streams_as.get_mut(&identity) else { return Vec::new() };
        let surplus = streams.len().saturating_sub(self.most.streams_per_identity);
        let oldest: Vec<u32> = streams.drain(..surplus).collect();
        for key in &oldest {
            if let Some(Holder::Stream { is_replaced, .. }) = given.holders.get_mut(*key as usize) {
                *is_replaced = true;
            }
        }
        oldest
    }

    /// Whether an address has streams of more people than a household has, so that it is most likely a proxy. False without a
    /// look if the last one was moments ago.
    pub fn looks_like_proxy(&self, address: ClientAddress, now: Instant) -> bool {
        let mut given = self.given();
        let looked = given.looked_for_proxy_at;
        if looked.is_some_and(|at| now.duration_since(at) < LOOK_FOR_PROXY_INTERVAL) {
            return false;
        }
        given.looked_for_proxy_at = Some(now);
        let identities = given.holders.iter().filter_map(|(_, holder)| match holder {
            Holder::Stream { address: of, identity, .. } if *of == address => *identity,
            _ => None,
        });
        identities.collect::<HashSet<_>>().len() >= MANY_IDENTITIES
    }

    fn give(self: &Arc<Self>, given: &mut Given, holder: Holder) -> Permit {
        let key = given.holders.insert(holder);
        let key = u32::try_from(key).expect("at most three for each descriptor");
        Permit::new(Arc::clone(self) as Arc<dyn delivery::PermitIssuer>, key)
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().expect("never held in a panic")
    }
}

impl delivery::PermitIssuer for Permits {
    fn take_back(&self, key: u32) {
        self.given().take_back(key);
    }

    fn is_revoked(&self, key: u32) -> bool {
        let given = self.given();
        matches!(given.holders.get(key as usize), Some(Holder::Stream { is_replaced: true, .. }))
    }
}

impl Given {
    /// Finds a place that anybody may have. A connection without a request makes room.
    fn find_place(&mut self, most: &PermitLimits, peer: Peer) -> Result<(), TooMany> {
        let of_address = self.connections_of.get(&peer.address).copied().unwrap_or_default();
        let places = most.connections - most.webhook_connections;
        let are_left = self.seats.taken(Share::Anybody) < places;
        if !peer.is_proxy && of_address >= most.connections_per_address {
            return Err(if are_left { TooMany::OfAddress } else { TooMany::InAll });
        }
        if are_left {
            return Ok(());
        }
        let leaves = self.seats.make_room(Share::Anybody).ok_or(TooMany::InAll)?;
        self.tell_to_leave(leaves);
        Ok(())
    }

    /// Finds a place that is kept for webhooks, for a peer that has sent a verified one.
    fn find_webhook_place(&mut self, most: &PermitLimits, peer: Peer) -> bool {
        if !self.seats.has_sent_webhooks(peer.address) {
            return false;
        }
        if self.seats.taken(Share::Webhooks) < most.webhook_connections {
            return true;
        }
        let leaves = self.seats.make_room(Share::Webhooks);
        leaves.inspect(|leaves| self.tell_to_leave(*leaves)).is_some()
    }

    fn tell_to_leave(&mut self, key: u32) {
        let Some(holder) = self.holders.get_mut(key as usize) else { return };
        let holder = std::mem::replace(holder, Holder::Leaving);
        if let Holder::Connection { counted, told_to_leave, .. } = holder {
            if let Some(address) = counted {
                discount(&mut self.connections_of, address);
            }
            told_to_leave.notify_one();
        }
    }

    fn take_back(&mut self, key: u32) {
        match self.holders.remove(key as usize) {
            Holder::Connection { counted, share, .. } => {
                self.seats.leave(key, share);
                if let Some(address) = counted {
                    discount(&mut self.connections_of, address);
                }
            }
            Holder::Leaving => self.seats.has_left(),
            Holder::LargeHead { counted, .. } => self.forget_large_head(key, counted),
            Holder::LeavingHead => {}
            Holder::Stream { address, identity, seat, .. } => {
                self.streams -= 1;
                if let Some(StreamSeat { share, is_counted }) = seat {
                    self.seats.leave_settled(share);
                    if is_counted {
                        discount(&mut self.connections_of, address);
                    }
                }
                discount(&mut self.streams_of, address);
                if let Some(identity) = identity {
                    self.forget_stream(identity, key);
                }
            }
        }
    }

    /// Ends the connection whose large head has taken the longest. False if none of these connections may be told to leave.
    fn end_oldest_large_head(&mut self) -> bool {
        let heads = self.large_heads.iter();
        let found = heads.filter_map(|head| match self.holders.get(*head as usize) {
            Some(&Holder::LargeHead { counted, connection }) => Some((*head, counted, connection)),
            _ => None,
        });
        let found: Vec<_> = found.collect();
        let Some((head, counted, connection)) =
            found.into_iter().find(|(_, _, connection)| self.seats.make_leave(*connection))
        else {
            return false;
        };
        self.tell_to_leave(connection);
        self.holders[head as usize] = Holder::LeavingHead;
        self.forget_large_head(head, counted);
        true
    }

    fn forget_large_head(&mut self, key: u32, counted: Option<ClientAddress>) {
        self.large_heads.retain(|head| *head != key);
        if let Some(address) = counted {
            discount(&mut self.large_heads_of, address);
        }
    }

    fn forget_stream(&mut self, identity: IdentityKey, key: u32) {
        let Some(streams) = self.streams_as.get_mut(&identity) else { return };
        streams.retain(|stream| *stream != key);
        if streams.is_empty() {
            self.streams_as.remove(&identity);
        }
    }
}

fn count<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K, most: usize) -> Result<(), TooMany> {
    let count = counts.entry(key).or_default();
    if most > 0 && *count >= most {
        return Err(TooMany::OfAddress);
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
mod tests;
