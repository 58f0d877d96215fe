//! What a worker holds: its connections, and the indexes by which it finds those that need something.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use mio::{Interest, Registry, Token};
use slab::Slab;
use tracing::error;

use crate::clock::Clock;

use super::super::{
    config::DeliveryConfig,
    connection::{Connection, NEVER},
    inbox::Inbox,
    metrics::DeliveryMetrics,
    pinned::Pinned,
    watched_room::WatchedRoom,
    web_socket::WebSocket,
    wheel::Wheel,
};

/// A connection is looked at this often in the time between two heartbeats, so that one that was sent something else a while ago has
/// its heartbeat when its silence has nearly lasted for that time, and not before.
pub(super) const TURNS_IN_HEARTBEAT: u32 = 4;

/// Owns sockets and writes frames to them.
///
/// Its inputs: sockets that can be read or written, mail (handed-off connections, changed rooms, streams to end, the order to
/// drain), heartbeats that are due, and deadlines.
pub(in crate::delivery) struct Worker {
    pub(super) index: u32,
    /// Where its thread waits for sockets.
    pub(super) sockets: Registry,
    pub(super) inbox: Arc<Inbox>,
    pub(super) config: DeliveryConfig,
    pub(super) metrics: DeliveryMetrics,
    pub(super) clock: Clock,
    pub(super) connections: Slab<Connection>,
    /// Connections by their streams' permits.
    pub(super) by_permit: HashMap<u32, u32>,
    pub(super) rooms: HashMap<u64, WatchedRoom>,
    /// Rooms whose fan-out is under way, in turn.
    pub(super) fan_outs: VecDeque<u64>,
    pub(super) wheel: Wheel,
    /// Connections whose socket is full, in the order in which their sockets filled.
    pub(super) blocked: BTreeSet<(u64, u32)>,
    /// Connections that end soon, in that order. The others are looked at with each heartbeat, which saves memory.
    pub(super) ends: BTreeSet<(u64, u32)>,
    /// While draining: when every connection that is left is closed.
    pub(super) drained_at: Option<u64>,
    /// Until when its thread waits, unless it is woken; none if not for a time.
    pub(super) thread_waits_until: Option<Instant>,
    pub(super) pinned: Arc<Pinned>,
    /// For what clients send, which is thrown away.
    pub(super) scratch: Box<[u8]>,
    /// Times within the worker are milliseconds from here.
    pub(super) started: Instant,
}

impl Worker {
    pub fn new(
        index: u32,
        sockets: Registry,
        inbox: Arc<Inbox>,
        config: DeliveryConfig,
        metrics: DeliveryMetrics,
        clock: Clock,
        pinned: Arc<Pinned>,
    ) -> Self {
        let started = Instant::now();
        Self {
            index,
            sockets,
            inbox,
            metrics,
            clock,
            connections: Slab::new(),
            by_permit: HashMap::new(),
            rooms: HashMap::new(),
            fan_outs: VecDeque::new(),
            wheel: Wheel::new(config.heartbeat / TURNS_IN_HEARTBEAT, started),
            blocked: BTreeSet::new(),
            ends: BTreeSet::new(),
            drained_at: None,
            thread_waits_until: None,
            pinned,
            scratch: vec![0; 16 * 1024].into_boxed_slice(),
            started,
            config,
        }
    }

    pub(super) fn now(&self) -> u64 {
        millis(self.started.elapsed())
    }

    /// What a connection has besides, if it is a WebSocket.
    pub(super) fn web_socket(&mut self, key: usize) -> Option<&mut WebSocket> {
        self.connections.get_mut(key)?.web_socket.as_deref_mut()
    }

    /// Counts frames that were written or begun.
    pub(super) fn count(&self, frames: usize, bytes: usize) {
        self.metrics.frames.inc_by(frames as u64);
        self.metrics.bytes.inc_by(bytes as u64);
    }

    /// Sets what a socket wakes the worker for. Sockets are nearly always writable, so the worker asks for writability only while
    /// a socket is full.
    pub(super) fn set_interest(&mut self, key: usize, interest: Interest) {
        let socket = &mut self.connections[key].socket;
        if let Err(error) = self.sockets.reregister(socket, Token(key), interest) {
            // The connection is closed when it times out.
            error!(%error, "cannot watch a stream's socket");
        }
    }

    pub(super) fn set_end(&mut self, key: usize, at: u64) {
        let short_key = short_key(key);
        self.ends.remove(&(self.connections[key].ends_at, short_key));
        self.connections[key].ends_at = at;
        self.watch_end(key, self.now());
    }

    /// Has a connection end in time, if it does before its heartbeat after the next.
    pub(super) fn watch_end(&mut self, key: usize, now: u64) {
        let at = self.connections[key].ends_at;
        if at < now + 2 * millis(self.config.heartbeat) {
            self.ends.insert((at, short_key(key)));
        }
    }
}

/// A connection's key in half the size. Everything but the slab uses it.
pub(super) fn short_key(key: usize) -> u32 {
    u32::try_from(key).expect("fewer than descriptors")
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER - 1)
}
