//! Which connections wait for a request, and which one makes room for a newcomer. Pure: `permits` holds the lock.

use std::collections::{BTreeMap, HashMap};

use super::client_address::{ClientAddress, Peer};

/// Connections that were told to leave and are not closed yet. They use descriptors that `app` keeps for other things.
const MAX_LEAVING: usize = 32;
/// The latest peers that have sent a verified webhook. A LiveKit with more nodes than this posts through a load balancer.
const MAX_WEBHOOK_SENDERS: usize = 64;

/// The share of all places in which a connection is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Share {
    Anybody,
    /// Kept for webhooks.
    Webhooks,
}

/// The place of a stream's connection.
#[derive(Clone, Copy)]
pub(super) struct StreamSeat {
    pub share: Share,
    /// Whether the connection is counted for the stream's address.
    pub is_counted: bool,
}

/// All connections, by permit.
#[derive(Default)]
pub(in crate::http) struct Seats {
    taken: HashMap<u32, Seated>,
    anybody: Queues,
    webhooks: Queues,
    leaving: usize,
    webhook_senders: Vec<ClientAddress>,
    turn: u64,
}

struct Seated {
    share: Share,
    came: u64,
    has_asked: bool,
    /// Its place in one of the queues.
    waits: Option<u64>,
}

#[derive(Default)]
struct Queues {
    taken: usize,
    /// Connections without a valid request so far, by the turn in which they came.
    never_asked: BTreeMap<u64, u32>,
    /// Connections that wait for another request, by the turn in which they began to wait.
    idle: BTreeMap<u64, u32>,
}

impl Seats {
    /// Seats a new connection, which has asked nothing yet.
    pub fn take(&mut self, key: u32, share: Share) {
        self.turn += 1;
        let turn = self.turn;
        let queues = self.queues(share);
        queues.taken += 1;
        queues.never_asked.insert(turn, key);
        let seated = Seated { share, came: turn, has_asked: false, waits: Some(turn) };
        self.taken.insert(key, seated);
    }

    /// The connection has a request. False if it was told to leave before.
    pub fn begin(&mut self, key: u32) -> bool {
        let Some(seated) = self.taken.get_mut(&key) else { return false };
        let (share, waits) = (seated.share, seated.waits.take());
        if let Some(turn) = waits {
            self.queues(share).remove(turn);
        }
        true
    }

    /// The connection's request is answered. Idle connections of a proxy, or of a peer that sends webhooks, have another request
    /// soon: they stay, except that in the share for webhooks they make room for each other.
    pub fn wait(&mut self, key: u32, peer: Peer, is_valid: bool) {
        self.turn += 1;
        let turn = self.turn;
        let is_wanted = peer.is_proxy || self.has_sent_webhooks(peer.address);
        let Some(seated) = self.taken.get_mut(&key) else { return };
        seated.has_asked |= is_valid;
        let (share, has_asked) = (seated.share, seated.has_asked);
        let turn = if has_asked { turn } else { seated.came };
        if has_asked && is_wanted && share == Share::Anybody {
            return;
        }
        seated.waits = Some(turn);
        let queues = self.queues(share);
        if has_asked { &mut queues.idle } else { &mut queues.never_asked }.insert(turn, key);
    }

    /// The connection has no more requests, and stays.
    pub fn settle(&mut self, key: u32) {
        self.begin(key);
        // A stream's connection is only counted from here on, which saves memory.
        self.taken.remove(&key);
    }

    pub fn leave(&mut self, key: u32, share: Share) {
        self.settle(key);
        self.leave_settled(share);
    }

    /// A stream's connection is closed.
    pub fn leave_settled(&mut self, share: Share) {
        self.queues(share).taken -= 1;
    }

    /// A connection that was told to leave is closed.
    pub fn has_left(&mut self) {
        self.leaving -= 1;
    }

    pub fn taken(&self, share: Share) -> usize {
        match share {
            Share::Anybody => self.anybody.taken,
            Share::Webhooks => self.webhooks.taken,
        }
    }

    /// Picks the connection that must leave for a newcomer. None if no connection waits that may be told to leave, or if too many
    /// are leaving already.
    pub fn make_room(&mut self, share: Share) -> Option<u32> {
        if self.leaving >= MAX_LEAVING {
            return None;
        }
        let queues = self.queues(share);
        let first = queues.never_asked.pop_first().or_else(|| queues.idle.pop_first());
        let (_, key) = first?;
        queues.taken -= 1;
        self.taken.remove(&key);
        self.leaving += 1;
        Some(key)
    }

    /// Makes this connection leave if it waits for a request and not too many are leaving already.
    pub fn make_leave(&mut self, key: u32) -> bool {
        let Some(&Seated { share, waits: Some(turn), .. }) = self.taken.get(&key) else {
            return false;
        };
        if self.leaving >= MAX_LEAVING {
            return false;
        }
        let queues = self.queues(share);
        queues.remove(turn);
        queues.taken -= 1;
        self.taken.remove(&key);
        self.leaving += 1;
        true
    }

    pub fn remember_webhook_sender(&mut self, peer: ClientAddress) {
        if self.webhook_senders.last() == Some(&peer) {
            return;
        }
        self.webhook_senders.retain(|sender| *sender != peer);
        if self.webhook_senders.len() == MAX_WEBHOOK_SENDERS {
            self.webhook_senders.remove(0);
        }
        self.webhook_senders.push(peer);
    }

    pub fn has_sent_webhooks(&self, peer: ClientAddress) -> bool {
        self.webhook_senders.contains(&peer)
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        let queued = |queues: &Queues| queues.taken + queues.never_asked.len() + queues.idle.len();
        let counted = queued(&self.anybody) + queued(&self.webhooks) + self.leaving;
        self.taken.is_empty() && counted == 0
    }

    fn queues(&mut self, share: Share) -> &mut Queues {
        match share {
            Share::Anybody => &mut self.anybody,
            Share::Webhooks => &mut self.webhooks,
        }
    }
}

impl Queues {
    fn remove(&mut self, turn: u64) {
        if self.never_asked.remove(&turn).is_none() {
            self.idle.remove(&turn);
        }
    }
}
