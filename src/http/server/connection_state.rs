//! What is known of one connection, for all requests on it.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::http::limits::{client_address::Peer, permits::Seat};

use super::{hand_off::ReadyHandoff, head_watch::HeadProgress};

pub(super) struct ConnectionState {
    pub address: SocketAddr,
    pub peer: Peer,
    pub seat: Seat,
    pub head: Arc<HeadProgress>,
    pub handoff: Mutex<Option<ReadyHandoff>>,
}

impl ConnectionState {
    pub fn put_handoff(&self, handoff: ReadyHandoff) {
        *self.handoff.lock().expect("never held in a panic") = Some(handoff);
    }

    pub fn take_handoff(&self) -> Option<ReadyHandoff> {
        self.handoff.lock().expect("never held in a panic").take()
    }
}
