//! Receives the frames on a thread and a processor of its own, and notes how late each came.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use crate::{FRAME, system};

pub struct Receiver {
    pub thread: i32,
    latencies: Arc<Mutex<Vec<u64>>>,
}

impl Receiver {
    pub fn start(sockets: Vec<i32>) -> Self {
        let latencies = Arc::new(Mutex::new(Vec::new()));
        let (send, receive) = mpsc::channel();
        let of_thread = Arc::clone(&latencies);
        thread::spawn(move || {
            system::pin(1);
            send.send(system::thread()).expect("somebody waits");
            read(&sockets, &of_thread);
        });
        Self { thread: receive.recv().expect("it has started"), latencies }
    }

    pub fn forget(&self) {
        self.latencies.lock().expect("nobody panics").clear();
    }

    /// Waits until this number of frames is there, or a second passes.
    pub fn wait_for(&self, frames: u64) -> Vec<u64> {
        let until = Instant::now() + Duration::from_secs(1);
        loop {
            let mut latencies = self.latencies.lock().expect("nobody panics");
            if latencies.len() as u64 >= frames || Instant::now() > until {
                return std::mem::take(&mut latencies);
            }
            drop(latencies);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn read(sockets: &[i32], latencies: &Mutex<Vec<u64>>) {
    let mut rest: Vec<Vec<u8>> = vec![Vec::new(); sockets.len()];
    let mut scratch = vec![0_u8; 256 * 1024];
    // SAFETY: every pointer is valid for its call.
    unsafe {
        let poll = libc::epoll_create1(libc::EPOLL_CLOEXEC);
        for (index, socket) in sockets.iter().enumerate() {
            let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: index as u64 };
            libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, *socket, &raw mut event);
        }
        let mut events: Vec<libc::epoll_event> = vec![std::mem::zeroed(); 1024];
        loop {
            let count = libc::epoll_wait(poll, events.as_mut_ptr(), 1024, -1);
            let mut latencies = latencies.lock().expect("nobody panics");
            for event in &events[..usize::try_from(count).unwrap_or(0)] {
                let index = event.u64 as usize;
                let count =
                    libc::recv(sockets[index], scratch.as_mut_ptr().cast(), scratch.len(), 0);
                let count = usize::try_from(count).expect("a frame");
                let now = system::now();
                let rest = &mut rest[index];
                rest.extend_from_slice(&scratch[..count]);
                while rest.len() >= FRAME {
                    let at = u64::from_le_bytes(rest[..8].try_into().expect("8 bytes"));
                    latencies.push(now.saturating_sub(at));
                    rest.drain(..FRAME);
                }
            }
        }
    }
}
