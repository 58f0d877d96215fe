//! What hyper does not do about a request's head. hyper has one timeout for the wait until a head begins and for the head itself,
//! and it answers by itself to a head that it cannot read.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use axum::body::Bytes;
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Sleep, Timer, Write};

use super::flush_tracking::FlushTracking;

/// A large head is read in pieces of this size.
const PIECE_BYTES: usize = 8 * 1024;

/// How much of the next request's head has arrived. A connection's socket, its timer and its handler share this.
#[derive(Debug, Default)]
pub(super) struct HeadProgress(Mutex<Head>);

#[derive(Clone, Copy, Debug, Default)]
enum Head {
    /// Nothing of it has arrived.
    #[default]
    Awaited,
    Begun(Instant),
    /// It was read in full, and the request is being answered.
    Read,
}

impl HeadProgress {
    pub fn has_begun(&self) -> bool {
        self.begun_at().is_some()
    }

    /// None before the first byte of a head, and after the last.
    pub fn begun_at(&self) -> Option<Instant> {
        match *self.head() {
            Head::Begun(at) => Some(at),
            Head::Awaited | Head::Read => None,
        }
    }

    pub fn read(&self) {
        *self.head() = Head::Read;
    }

    fn begin(&self) {
        let mut head = self.head();
        if let Head::Awaited = *head {
            *head = Head::Begun(Instant::now());
        }
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.0.lock().expect("never held in a panic")
    }
}

/// A socket that notes when a head begins, and keeps back what hyper answers by itself to a head that it cannot read. That answer
/// is a bare status, which pages of other origins cannot see.
pub(super) struct HeadWatch {
    socket: FlushTracking,
    /// What was read of the socket before. hyper reads it again.
    begin: Bytes,
    /// Large heads are read through this buffer in small pieces: hyper's own buffer doubles with each read, and would grow to twice
    /// its limit.
    piece: Option<Box<[u8]>>,
    progress: Arc<HeadProgress>,
    is_flushed: Arc<AtomicBool>,
    kept_back: Option<u16>,
}

impl HeadWatch {
    pub fn new(
        socket: FlushTracking,
        begin: Bytes,
        progress: Arc<HeadProgress>,
        is_flushed: Arc<AtomicBool>,
    ) -> Self {
        let piece = (!begin.is_empty()).then(|| vec![0; PIECE_BYTES].into_boxed_slice());
        Self { socket, begin, piece, progress, is_flushed, kept_back: None }
    }

    /// The socket, and the status that hyper would have answered.
    pub fn into_parts(self) -> (FlushTracking, Option<u16>) {
        (self.socket, self.kept_back)
    }

    /// Keeps back these bytes if they are hyper's own answer rather than ours. hyper answers by itself only while it reads a head
    /// and has written everything before.
    fn keep_back(&mut self, bytes: &[u8]) -> bool {
        let status = || std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok();
        let is_refusal = bytes.starts_with(b"HTTP/1.1 4") || bytes.starts_with(b"HTTP/1.0 4");
        let is_ours = matches!(*self.progress.head(), Head::Read);
        if !is_refusal || is_ours || !self.is_flushed.load(Ordering::Relaxed) {
            return false;
        }
        self.kept_back = status();
        self.kept_back.is_some()
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut FlushTracking> {
        Pin::new(&mut self.get_mut().socket)
    }
}

impl Read for HeadWatch {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.begin.is_empty() {
            let length = self.begin.len().min(buffer.remaining());
            buffer.put_slice(&self.begin.split_to(length));
            self.progress.begin();
            return Poll::Ready(Ok(()));
        }
        let this = &mut *self;
        match &mut this.piece {
            None => ready!(Pin::new(&mut this.socket).poll_read(cx, buffer))?,
            Some(piece) => {
                let length = piece.len().min(buffer.remaining());
                let mut piece = ReadBuf::new(&mut piece[..length]);
                ready!(Pin::new(&mut this.socket).poll_read(cx, piece.unfilled()))?;
                buffer.put_slice(piece.filled());
            }
        }
        // At the end of the connection no head begins, but then nobody asks.
        self.progress.begin();
        Poll::Ready(Ok(()))
    }
}

impl Write for HeadWatch {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.keep_back(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        self.socket().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.iter().find(|slice| !slice.is_empty())
            && self.keep_back(first)
        {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        self.socket().poll_write_vectored(cx, slices)
    }
}

/// Times a head. Until its first byte hyper's own deadline holds; from then on `head_timeout` does.
#[derive(Clone, Debug)]
pub(super) struct HeadTimer {
    progress: Arc<HeadProgress>,
    head_timeout: Duration,
    /// The sleep of the head before. It stays among the runtime's timers while an answer is made, since taking one out and putting
    /// one in for each request costs more than to be woken once too early.
    spare: Arc<Mutex<Option<Pin<Box<tokio::time::Sleep>>>>>,
}

impl HeadTimer {
    pub fn new(progress: Arc<HeadProgress>, head_timeout: Duration) -> Self {
        Self { progress, head_timeout, spare: Arc::default() }
    }

    fn spare(&self) -> MutexGuard<'_, Option<Pin<Box<tokio::time::Sleep>>>> {
        self.spare.lock().expect("never held in a panic")
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(Instant::now() + duration)
    }

    /// hyper calls this only when it begins to wait for a head.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        *self.progress.head() = Head::Awaited;
        let spare = self.spare().take();
        let sleep = spare.unwrap_or_else(|| Box::pin(tokio::time::sleep_until(deadline.into())));
        Box::pin(HeadSleep { timer: self.clone(), awaited_until: deadline, sleep: Some(sleep) })
    }
}

struct HeadSleep {
    timer: HeadTimer,
    awaited_until: Instant,
    /// Its deadline may be earlier than it has to be.
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Sleep for HeadSleep {}

impl Future for HeadSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let until = match *self.timer.progress.head() {
            Head::Begun(at) => at + self.timer.head_timeout,
            Head::Awaited | Head::Read => self.awaited_until,
        };
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        if sleep.deadline() > until.into() {
            sleep.as_mut().reset(until.into());
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= until.into() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until.into());
        }
        Poll::Pending
    }
}

impl Drop for HeadSleep {
    fn drop(&mut self) {
        *self.timer.spare() = self.sleep.take();
    }
}
