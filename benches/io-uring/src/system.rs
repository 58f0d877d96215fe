//! What is asked of the system.

use std::{
    io,
    net::{TcpListener, TcpStream},
    os::fd::IntoRawFd,
};

pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is valid.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn sleep_until(at: u64) {
    let time = libc::timespec {
        tv_sec: (at / 1_000_000_000) as i64,
        tv_nsec: (at % 1_000_000_000) as i64,
    };
    // SAFETY: the pointers are valid, or null where that is allowed.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const time,
            std::ptr::null_mut(),
        )
    };
}

/// This thread runs on that processor only.
pub fn pin(processor: usize) {
    // SAFETY: a set of zeroes is valid, and so is the pointer.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        assert_eq!(libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set), 0);
        libc::prctl(libc::PR_SET_TIMERSLACK, 1);
    }
}

pub fn thread() -> i32 {
    // SAFETY: it takes no arguments.
    unsafe { libc::gettid() }
}

/// Nanoseconds that the threads of this process have spent on a processor, those of the kernel's rings with them, but for one.
pub fn cpu_without(thread: i32) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it runs").flatten();
    let others = tasks.filter(|task| task.file_name().to_str() != Some(&thread.to_string()));
    let nanos = others.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    nanos.sum()
}

pub fn raise_descriptors() {
    // SAFETY: the pointers are valid.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Connected pairs of TCP sockets: those that send, and those that receive.
pub fn pairs(count: usize) -> (Vec<i32>, Vec<i32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let mut pairs = (Vec::new(), Vec::new());
    for _ in 0..count {
        let client = TcpStream::connect(address).expect("a connection");
        let (server, _) = listener.accept().expect("a connection");
        for socket in [&client, &server] {
            socket.set_nodelay(true).expect("a TCP socket");
        }
        client.set_nonblocking(true).expect("a socket");
        server.set_nonblocking(true).expect("a socket");
        pairs.0.push(server.into_raw_fd());
        pairs.1.push(client.into_raw_fd());
    }
    pairs
}

pub fn send(socket: i32, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: the bytes are valid for their length.
    let sent = unsafe {
        libc::send(
            socket,
            bytes.as_ptr().cast(),
            bytes.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}
