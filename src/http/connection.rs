//! One client's connection: hyper reads its requests, the routes answer them; a stream's socket goes to delivery.

use std::{
    convert::Infallible,
    fmt::Write as _,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::{Duration, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, Response, Version, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioTimer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use crate::{
    clock::Clock,
    delivery::{Framing, Handoff, Permit, Shards},
};

use super::{
    client_address::PeerAddress,
    flush_tracking::FlushTracking,
    stream::{Stream, Ticket},
};

/// A request's head is no larger. LiveKit tokens can be long, and EventSource puts them into the URL.
const MOST_HEAD_BYTES: usize = 16 * 1024;
/// After the last answer the client gets a moment to read it, and what it still sends is thrown away up to a bound. Closing at
/// once would reset the connection and could take the answer with it.
const LINGER: Duration = Duration::from_secs(2);
const MOST_LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What connections share.
pub(super) struct Service {
    pub router: Router,
    pub shards: Arc<Shards>,
    pub clock: Clock,
    pub head_timeout: Duration,
    /// An answer has to be taken within this time.
    pub write_timeout: Duration,
    /// Ends connections once what is under way on them is answered.
    pub stop: CancellationToken,
}

/// A stream whose response's head is ready.
struct Handover {
    head: Vec<u8>,
    framing: Framing,
    stream: Stream,
}

enum End {
    /// HTTP is over.
    Done,
    Failed,
    Handover(Handover),
}

/// Serves one connection to its end, or until delivery takes it over.
pub(super) async fn serve(
    socket: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    service: Arc<Service>,
) {
    let handover: Arc<Mutex<Option<Handover>>> = Arc::default();
    let is_flushed = Arc::new(AtomicBool::new(true));
    let answer = service_fn(|request| {
        Box::pin(answer(Arc::clone(&service), request, peer, Arc::clone(&handover)))
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(service.head_timeout)
        .max_buf_size(MOST_HEAD_BYTES)
        .serve_connection(FlushTracking::new(socket, Arc::clone(&is_flushed)), answer);

    let mut stop = pin!(service.stop.cancelled());
    let mut is_stopping = false;
    let mut is_writing = false;
    let mut written_by = pin!(sleep(service.write_timeout));
    let end = poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        match connection.poll_without_shutdown(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
            Poll::Ready(Err(error)) => {
                debug!(%error, "a connection failed");
                return Poll::Ready(End::Failed);
            }
            Poll::Pending => {}
        }
        if !is_flushed.load(Ordering::Relaxed) {
            if !is_writing {
                is_writing = true;
                written_by.as_mut().reset(Instant::now() + service.write_timeout);
            }
            return written_by.as_mut().poll(cx).map(|()| {
                debug!("an answer was not taken in time");
                End::Failed
            });
        }
        is_writing = false;
        // Answers to earlier requests on this connection must be out before its socket is taken away.
        take(&handover).map_or(Poll::Pending, |handover| Poll::Ready(End::Handover(handover)))
    })
    .await;
    let socket = connection.into_parts().io.into_inner();
    match end {
        End::Done => linger(socket).await,
        End::Failed => {}
        End::Handover(Handover { head, framing, stream }) => match socket.into_std() {
            Ok(socket) => service.shards.adopt(Handoff {
                socket,
                head,
                framing,
                watches: stream.watches,
                ends: stream.ends,
                permits: [stream.permit, permit],
            }),
            Err(error) => debug!(%error, "cannot hand over a stream's socket"),
        },
    }
}

/// Answers one request. For a stream the answer is not given to hyper: what delivery needs is put aside, and hyper is left
/// waiting until its connection is taken apart.
async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
    peer: SocketAddr,
    handover: Arc<Mutex<Option<Handover>>>,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(PeerAddress(peer));
    let framing = match request.version() {
        Version::HTTP_11 => Framing::Chunked,
        _ => Framing::UntilClose,
    };
    let response = service.router.clone().oneshot(request).await?;
    let stream = response.extensions().get::<Ticket>().and_then(Ticket::take);
    let Some(stream) = stream else { return Ok(response) };
    let head = encode_head(response.headers(), framing, &service.clock);
    *handover.lock().expect("never held in a panic") = Some(Handover { head, framing, stream });
    std::future::pending().await
}

fn take(handover: &Mutex<Option<Handover>>) -> Option<Handover> {
    handover.lock().expect("never held in a panic").take()
}

/// The head of a stream's response, as hyper would have written it.
fn encode_head(headers: &HeaderMap, framing: Framing, clock: &Clock) -> Vec<u8> {
    let date = UNIX_EPOCH + Duration::from_micros(clock.now().as_micros());
    let mut head = String::from("HTTP/1.1 200 OK\r\n");
    let _ = write!(head, "{}: {}\r\n", header::DATE, httpdate::fmt_http_date(date));
    if framing == Framing::Chunked {
        let _ = write!(head, "{}: chunked\r\n", header::TRANSFER_ENCODING);
    }
    let mut head = head.into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Closes a connection so that its last answer arrives.
pub(super) async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut scratch = [0; 8 * 1024];
    let mut discarded = 0;
    let discard = async {
        while discarded < MOST_LINGER_BYTES {
            match socket.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(count) => discarded += count,
            }
        }
    };
    // A client that takes longer is cut off.
    let _ = timeout(LINGER, discard).await;
}
