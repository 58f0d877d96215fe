//! A socket that knows whether hyper still holds bytes to write.
//!
//! When a stream's socket is taken away from hyper, an earlier answer on the same connection may still be in hyper's buffer.
//! hyper flushes the socket only after it has written its whole buffer, so a flush with no write since means that the buffer is
//! empty.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(super) struct FlushTracking {
    socket: TokioIo<TcpStream>,
    is_flushed: Arc<AtomicBool>,
}

impl FlushTracking {
    /// `is_flushed` is shared with the code that takes the socket away. It is true while everything is written.
    pub fn new(socket: TcpStream, is_flushed: Arc<AtomicBool>) -> Self {
        Self { socket: TokioIo::new(socket), is_flushed }
    }

    pub fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }

    fn socket(self: Pin<&mut Self>) -> Pin<&mut TokioIo<TcpStream>> {
        Pin::new(&mut self.get_mut().socket)
    }
}

impl Read for FlushTracking {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.socket().poll_read(cx, buffer)
    }
}

impl Write for FlushTracking {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed.store(false, Ordering::Relaxed);
        self.socket().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.is_flushed.store(true, Ordering::Relaxed);
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.is_flushed.store(false, Ordering::Relaxed);
        self.socket().poll_write_vectored(cx, slices)
    }
}
