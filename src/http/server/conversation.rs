//! Requests and answers on one connection, until something ends them.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Request, Response},
};
use futures_util::FutureExt;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as HyperService, service_fn},
};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tracing::debug;

use crate::http::respond::kept_answer::SlowClient;

use super::{
    answer::answer,
    connection_state::ConnectionState,
    flush_tracking::FlushTracking,
    hand_off::ReadyHandoff,
    head_watch::{HeadTimer, HeadWatch},
    service::Service,
};

/// How large heads may be, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub max_bytes: usize,
    pub timeout: Duration,
    /// Whether another request may follow.
    pub keep_alive: bool,
}

/// A conversation that is over.
pub(super) struct Ended {
    pub end: End,
    pub socket: TcpStream,
    /// What was read of the socket and belongs to no request yet.
    pub read: Bytes,
    /// What hyper would have answered to a head that it cannot read.
    pub status: Option<u16>,
}

pub(super) enum End {
    /// HTTP is over.
    Done,
    Failed(Option<hyper::Error>),
    Handoff(ReadyHandoff),
}

impl End {
    fn cut_off(reason: &'static str) -> Self {
        debug!("{reason}");
        Self::Failed(None)
    }

    fn of_http(result: Result<(), hyper::Error>) -> Self {
        match result {
            Ok(()) => Self::Done,
            Err(error) => {
                debug!(%error, "a connection failed");
                Self::Failed(Some(error))
            }
        }
    }
}

/// Reads requests and answers them, one after the other. `begin` is what was read of the socket before.
pub(super) async fn converse(
    socket: TcpStream,
    begin: Bytes,
    heads: HeadLimits,
    state: &Arc<ConnectionState>,
    service: &Arc<Service>,
) -> Ended {
    let is_flushed = Arc::new(AtomicBool::new(true));
    let socket = FlushTracking::new(socket, Arc::clone(&is_flushed));
    let socket = HeadWatch::new(socket, begin, Arc::clone(&state.head), Arc::clone(&is_flushed));
    let slow_client = SlowClient::default();
    let answer = service_fn(|request: Request<Incoming>| {
        Box::pin(answer(Arc::clone(service), Arc::clone(state), slow_client.clone(), request))
    });
    let mut connection = http1_builder(heads, state, service).serve_connection(socket, answer);
    let end = until_end(&mut connection, &slow_client, is_flushed, state, service).await;
    let parts = connection.into_parts();
    let (socket, status) = parts.io.into_parts();
    Ended { end, socket: socket.into_inner(), read: parts.read_buf, status }
}

/// Polls the conversation until HTTP is over on it, something cuts it off, or its stream can be handed off.
async fn until_end<S>(
    connection: &mut http1::Connection<HeadWatch, S>,
    slow_client: &SlowClient,
    is_flushed: Arc<AtomicBool>,
    state: &ConnectionState,
    service: &Service,
) -> End
where
    S: HyperService<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    let mut stop = pin!(service.stop.cancelled().fuse());
    let mut told_to_leave = pin!(state.seat.told_to_leave.notified());
    let mut cut_off = pin!(slow_client.cut_off());
    let timer = pin!(sleep(service.settings.write_timeout));
    let mut writing = Writing::new(is_flushed, service.settings.write_timeout, timer);
    poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            Pin::new(&mut *connection).graceful_shutdown();
        }
        if told_to_leave.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::cut_off("a connection that waits made room for another"));
        }
        if let Poll::Ready(result) = connection.poll_without_shutdown(cx) {
            return Poll::Ready(End::of_http(result));
        }
        if cut_off.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::cut_off(
                "slow clients keep too much, and this was the slowest",
            ));
        }
        if writing.is_under_way() {
            let timeout = writing.poll_timeout(cx);
            return timeout.map(|()| End::cut_off("an answer was not taken in time"));
        }
        // The answers to earlier requests are written, so the socket can be taken away.
        state.take_handoff().map_or(Poll::Pending, |handoff| Poll::Ready(End::Handoff(handoff)))
    })
    .await
}

fn http1_builder(heads: HeadLimits, state: &ConnectionState, service: &Service) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(HeadTimer::new(Arc::clone(&state.head), heads.timeout))
        .header_read_timeout(service.settings.idle_timeout)
        .max_buf_size(heads.max_bytes)
        .keep_alive(heads.keep_alive);
    builder
}

/// Times answers that the client is slow to take.
struct Writing<'timer> {
    is_flushed: Arc<AtomicBool>,
    timeout: Duration,
    timer: Pin<&'timer mut Sleep>,
    is_timed: bool,
}

impl<'timer> Writing<'timer> {
    fn new(is_flushed: Arc<AtomicBool>, timeout: Duration, timer: Pin<&'timer mut Sleep>) -> Self {
        Self { is_flushed, timeout, timer, is_timed: false }
    }

    /// Whether a part of an answer is not in the socket yet.
    fn is_under_way(&mut self) -> bool {
        let is_under_way = !self.is_flushed.load(Ordering::Relaxed);
        self.is_timed &= is_under_way;
        is_under_way
    }

    /// Resolves when writing has been under way for too long.
    fn poll_timeout(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_timed {
            self.is_timed = true;
            self.timer.as_mut().reset(Instant::now() + self.timeout);
        }
        self.timer.as_mut().poll(cx)
    }
}
