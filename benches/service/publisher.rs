//! Publishes the events of a schedule from 16 connections, each at its time. An event is late if no connection is free.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    num::NonZeroU64,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use rustix::thread::set_current_timer_slack;

use super::{
    load,
    schedule::{Schedule, sleep_until},
    target::Event,
};

const CONNECTIONS: usize = 16;
/// A request that fails is sent again, as LiveKit does.
const ATTEMPTS: usize = 40;

/// Publishes them all. Returns how many requests were sent again.
pub fn publish(addresses: &[SocketAddr], schedule: &Schedule, events: &[Event]) -> usize {
    publish_until(&AtomicBool::new(false), addresses, schedule, events)
}

/// As [`publish`], but no more events once it is over.
pub fn publish_until(
    is_over: &AtomicBool,
    addresses: &[SocketAddr],
    schedule: &Schedule,
    events: &[Event],
) -> usize {
    let (next, repeated) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for place in 0..CONNECTIONS {
            let (next, repeated) = (&next, &repeated);
            scope.spawn(move || {
                // Else a sleeping thread may be woken up 50 µs late.
                set_current_timer_slack(NonZeroU64::new(1)).expect("a time");
                let mut publisher = Publisher { addresses, place, socket: None, repeated };
                loop {
                    let event = next.fetch_add(1, Ordering::Relaxed);
                    let Some(requests) = events.get(event) else { return };
                    sleep_until(schedule.at(event as u64));
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    for request in requests {
                        publisher.send(request);
                    }
                }
            });
        }
    });
    repeated.into_inner()
}

struct Publisher<'a> {
    addresses: &'a [SocketAddr],
    place: usize,
    socket: Option<TcpStream>,
    repeated: &'a AtomicUsize,
}

impl Publisher<'_> {
    fn send(&mut self, request: &[u8]) {
        for attempt in 0..ATTEMPTS {
            if self.try_to_send(request).is_some() {
                return;
            }
            self.socket = None;
            self.place += 1;
            self.repeated.fetch_add(1, Ordering::Relaxed);
            if attempt >= self.addresses.len() {
                thread::sleep(Duration::from_millis(100));
            }
        }
        panic!("no server takes an event");
    }

    fn try_to_send(&mut self, request: &[u8]) -> Option<()> {
        if self.socket.is_none() {
            let socket =
                TcpStream::connect(self.addresses[self.place % self.addresses.len()]).ok()?;
            socket.set_nodelay(true).ok()?;
            self.socket = Some(socket);
        }
        let socket = self.socket.as_mut()?;
        socket.write_all(request).ok()?;
        let mut received = Vec::new();
        let mut scratch = [0; 4096];
        while !load::is_whole(&received) {
            let count = socket.read(&mut scratch).ok().filter(|count| *count > 0)?;
            received.extend_from_slice(&scratch[..count]);
        }
        received.starts_with(b"HTTP/1.1 2").then_some(())
    }
}
