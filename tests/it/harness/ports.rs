//! Ports that a server keeps when it is killed and started again.

use std::{
    net::{Ipv4Addr, TcpListener, UdpSocket},
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the range from which the system takes ports for outgoing connections, so that no client takes one meanwhile.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static TAKEN: AtomicU16 = AtomicU16::new(0);

/// A port that is free for TCP and UDP. This process gives each port once; others begin elsewhere in the range.
pub fn free_port() -> u16 {
    #[expect(clippy::cast_possible_truncation, reason = "less than COUNT")]
    let offset = (std::process::id().wrapping_mul(97) % u32::from(COUNT)) as u16;
    loop {
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (offset + taken) % COUNT;
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port));
        if tcp.is_ok() && udp.is_ok() {
            return port;
        }
    }
}
