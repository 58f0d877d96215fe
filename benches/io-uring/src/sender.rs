//! The ways to send one frame to many sockets.

use std::io;

use io_uring::{IoUring, opcode, squeue, types};

use crate::{FRAME, SOCKETS, system};

/// Frames that may be on their way at a time: those of a ring that finishes later must not be written over.
const FRAMES: usize = 64;
/// Entries of a ring: more than a room has sockets.
const ENTRIES: u32 = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Loop,
    /// One submission for all sockets. What is not sent at once waits inside the kernel.
    Batch,
    /// The same, but a full socket fails at once.
    DontWait,
    /// And with descriptors that the ring has already.
    Fixed,
    /// And with completions of failures only, for one thread.
    Quiet,
    /// And with a thread of the kernel that takes submissions.
    KernelThread,
    ZeroCopy,
}

impl Way {
    pub const ALL: [Self; 7] = [
        Self::Loop,
        Self::Batch,
        Self::DontWait,
        Self::Fixed,
        Self::Quiet,
        Self::KernelThread,
        Self::ZeroCopy,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Loop => "a send for each",
            Self::Batch => "io_uring, one submission",
            Self::DontWait => "io_uring, MSG_DONTWAIT",
            Self::Fixed => "io_uring, MSG_DONTWAIT, registered files",
            Self::Quiet => "io_uring, the same, one issuer, only failures complete",
            Self::KernelThread => "io_uring, registered files, SQPOLL on the sender's processor",
            Self::ZeroCopy => "io_uring, zero-copy, registered files and buffers",
        }
    }

    fn has_registered_files(self) -> bool {
        match self {
            Self::Loop | Self::Batch | Self::DontWait => false,
            Self::Fixed | Self::Quiet | Self::KernelThread | Self::ZeroCopy => true,
        }
    }
}

pub struct Sender {
    way: Way,
    ring: Option<IoUring>,
    frames: Vec<Vec<u8>>,
    next: usize,
    /// Completions that are to come.
    pending: usize,
}

impl Sender {
    pub fn new(way: Way, sockets: &[i32]) -> io::Result<Self> {
        let frames = vec![vec![b'x'; FRAME]; FRAMES];
        let ring = match way {
            Way::Loop => None,
            Way::Batch | Way::DontWait | Way::Fixed | Way::ZeroCopy => Some(IoUring::new(ENTRIES)?),
            Way::Quiet => Some(
                IoUring::builder().setup_single_issuer().setup_defer_taskrun().build(ENTRIES)?,
            ),
            Way::KernelThread => {
                Some(IoUring::builder().setup_sqpoll(1).setup_sqpoll_cpu(0).build(ENTRIES)?)
            }
        };
        if let Some(ring) = &ring {
            if way.has_registered_files() {
                ring.submitter().register_files(sockets)?;
            }
            if way == Way::ZeroCopy {
                let buffers: Vec<_> = frames
                    .iter()
                    .map(|frame| libc::iovec {
                        iov_base: frame.as_ptr().cast_mut().cast(),
                        iov_len: frame.len(),
                    })
                    .collect();
                // SAFETY: the frames live as long as the ring, and are not moved.
                unsafe { ring.submitter().register_buffers(&buffers)? };
            }
        }
        Ok(Self { way, ring, frames, next: 0, pending: 0 })
    }

    /// `first` is the number of the first of the sockets among those that were registered.
    pub fn send(&mut self, at: u64, sockets: &[i32], first: usize) {
        let place = self.next % FRAMES;
        self.next += 1;
        self.frames[place][..8].copy_from_slice(&at.to_le_bytes());
        if self.ring.is_none() {
            for socket in sockets {
                let sent =
                    system::send(*socket, &self.frames[place]).expect("a receiver that reads");
                assert_eq!(sent, FRAME, "no receiver is slow here");
            }
            return;
        }
        for (index, socket) in sockets.iter().enumerate() {
            let entry = self.entry(place, *socket, first + index);
            let ring = self.ring.as_mut().expect("it has one");
            // SAFETY: the frame lives until long after its completion.
            while unsafe { ring.submission().push(&entry) }.is_err() {
                ring.submit().expect("it submits");
                ring.submitter().squeue_wait().expect("a ring with a thread makes room");
            }
        }
        self.pending += match self.way {
            Way::Quiet => 0,
            Way::ZeroCopy => 2 * SOCKETS,
            Way::Loop | Way::Batch | Way::DontWait | Way::Fixed | Way::KernelThread => SOCKETS,
        };
        self.ring.as_mut().expect("it has one").submit().expect("it submits");
        self.reap();
    }

    fn entry(&self, place: usize, socket: i32, registered: usize) -> squeue::Entry {
        let (bytes, length) = (self.frames[place].as_ptr(), u32::try_from(FRAME).expect("small"));
        let at_once = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        let fixed = types::Fixed(u32::try_from(registered).expect("few"));
        match self.way {
            Way::Loop | Way::Batch => opcode::Send::new(types::Fd(socket), bytes, length)
                .flags(libc::MSG_NOSIGNAL)
                .build(),
            Way::DontWait => {
                opcode::Send::new(types::Fd(socket), bytes, length).flags(at_once).build()
            }
            Way::Fixed | Way::KernelThread => {
                opcode::Send::new(fixed, bytes, length).flags(at_once).build()
            }
            Way::Quiet => opcode::Send::new(fixed, bytes, length)
                .flags(at_once)
                .build()
                .flags(squeue::Flags::SKIP_SUCCESS),
            Way::ZeroCopy => opcode::SendZc::new(fixed, bytes, length)
                .flags(at_once)
                .buf_index(Some(u16::try_from(place).expect("few")))
                .build(),
        }
    }

    fn reap(&mut self) {
        let Some(ring) = &mut self.ring else { return };
        for completion in ring.completion() {
            let is_notice = io_uring::cqueue::notif(completion.flags());
            assert!(
                is_notice || completion.result() == FRAME as i32,
                "sent {}",
                completion.result()
            );
            self.pending -= 1;
        }
    }

    /// Waits for the completions of all that was sent.
    pub fn finish(&mut self) {
        while self.pending > 0 {
            let ring = self.ring.as_mut().expect("it has one");
            ring.submit_and_wait(1).expect("it submits");
            self.reap();
        }
    }
}
