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
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header},
    response::IntoResponse,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use crate::{
    clock::Clock,
    delivery::{Handoff, Transport, Workers},
    http::{
        extract::client_address::PeerAddress,
        limits::{
            client_address::Peer, identity_key::IdentityKey, limit_set::LARGE_HEAD_BYTES,
            permits::Seat, seats::Share,
        },
        middleware::unavailable::UnavailableLog,
        problem::Problem,
        respond::{event_stream::HandoffExtension, kept_answer::SlowClient},
        routes::webhook::SendsWebhooks,
        settings::ServerSettings,
        state::Http,
    },
    sse::Framing,
};

use super::{
    flush_tracking::FlushTracking,
    head_watch::{HeadProgress, HeadTimer, HeadWatch},
    refusal::Refusals,
};

/// Heads are no larger, but for those that are given more memory.
const SMALL_HEAD_BYTES: usize = 16 * 1024;
/// hyper reads no longer address (`http::Uri`).
const MAX_ADDRESS_BYTES: usize = 65_534;
/// Nor more headers.
const MAX_HEADERS: usize = 100;
/// The rest of a head that is too large arrives within this time, or its origin is not known.
const REST_OF_HEAD: Duration = Duration::from_secs(2);
/// What closes a stream arrives within this time after what opens the one in its place, also by way of a proxy.
const CLOSED_STREAM_ARRIVES: Duration = Duration::from_secs(1);
/// After the last answer the client gets a moment to read it, and what it still sends is thrown away up to a bound. Closing at
/// once would reset the connection and could take the answer with it.
const LINGER: Duration = Duration::from_secs(2);
const MAX_LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What connections share.
pub(in crate::http) struct Service {
    pub http: Http,
    pub router: Router,
    pub refusals: Refusals,
    pub unavailable: Arc<UnavailableLog>,
    pub workers: Arc<Workers>,
    pub settings: ServerSettings,
    /// Ends connections once what is under way on them is answered.
    pub stop: CancellationToken,
}

/// What is known of one connection.
struct Client {
    address: SocketAddr,
    peer: Peer,
    seat: Seat,
    head: Arc<HeadProgress>,
    handoff: Mutex<Option<ReadyHandoff>>,
}

/// What heads may be, and how long they may take.
#[derive(Clone, Copy, Debug)]
struct Heads {
    most_bytes: usize,
    timeout: Duration,
}

/// A handoff that waits for its socket, which hyper still has.
struct ReadyHandoff {
    handoff: Handoff,
    head: Vec<u8>,
    framing: Framing,
    /// The request's.
    origin: Option<HeaderValue>,
}

enum End {
    /// HTTP is over.
    Done,
    Failed(Option<hyper::Error>),
    Handoff(ReadyHandoff),
}

/// A conversation that is over: its socket, what was read of it and not yet of any request, and what hyper would have answered.
struct Ended {
    end: End,
    socket: TcpStream,
    read: Bytes,
    status: Option<u16>,
}

/// Serves one connection to its end, or until delivery takes it over.
pub(in crate::http) async fn serve(
    socket: TcpStream,
    address: SocketAddr,
    peer: Peer,
    seat: Seat,
    service: Arc<Service>,
) {
    let client =
        Arc::new(Client { address, peer, seat, head: Arc::default(), handoff: Mutex::default() });
    let head_timeout = service.settings.head_timeout;
    let small = Heads { most_bytes: SMALL_HEAD_BYTES, timeout: head_timeout };
    let ended = converse(socket, Bytes::new(), small, &client, &service).await;
    if ended.status != Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16()) {
        return finish(ended, client, &service).await;
    }
    // Once more, with the memory that a large head takes.
    match service.http.limits.read_large_head(&client.seat.permit, peer) {
        Ok(_memory) => {
            let spent = client.head.begun_at().map_or(Duration::ZERO, |at| at.elapsed());
            let timeout = head_timeout.saturating_sub(spent);
            let large = Heads { most_bytes: LARGE_HEAD_BYTES, timeout };
            let ended = converse(ended.socket, ended.read, large, &client, &service).await;
            finish(ended, client, &service).await;
        }
        Err(problem) => {
            let answering =
                service.refusals.answer(ended.socket, &ended.read, problem, REST_OF_HEAD);
            unless_told_to_leave(&client.seat.told_to_leave, answering).await;
        }
    }
}

/// Reads requests and answers them, one after the other; only one where its head may be large.
async fn converse(
    socket: TcpStream,
    begin: Bytes,
    heads: Heads,
    client: &Arc<Client>,
    service: &Arc<Service>,
) -> Ended {
    let write_timeout = service.settings.write_timeout;
    let is_flushed = Arc::new(AtomicBool::new(true));
    let socket = HeadWatch::new(
        FlushTracking::new(socket, Arc::clone(&is_flushed)),
        begin,
        Arc::clone(&client.head),
        Arc::clone(&is_flushed),
    );
    let slow_client = SlowClient::default();
    let answer = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(slow_client.clone());
        Box::pin(answer(Arc::clone(service), Arc::clone(client), request))
    });
    let timer = HeadTimer { progress: Arc::clone(&client.head), head_timeout: heads.timeout };
    let mut connection = http1::Builder::new()
        .timer(timer)
        .header_read_timeout(service.settings.idle_timeout)
        .max_buf_size(heads.most_bytes)
        .keep_alive(heads.most_bytes == SMALL_HEAD_BYTES)
        .serve_connection(socket, answer);

    let mut stop = pin!(service.stop.cancelled());
    let mut told_to_leave = pin!(client.seat.told_to_leave.notified());
    let mut cut_off = pin!(slow_client.cut_off());
    let mut is_stopping = false;
    let mut is_writing = false;
    let mut written_by = pin!(sleep(write_timeout));
    let end = poll_fn(|cx| {
        if !is_stopping && stop.as_mut().poll(cx).is_ready() {
            is_stopping = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if told_to_leave.as_mut().poll(cx).is_ready() {
            debug!("a connection that waits made room for another");
            return Poll::Ready(End::Failed(None));
        }
        match connection.poll_without_shutdown(cx) {
            Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
            Poll::Ready(Err(error)) => {
                debug!(%error, "a connection failed");
                return Poll::Ready(End::Failed(Some(error)));
            }
            Poll::Pending => {}
        }
        if cut_off.as_mut().poll(cx).is_ready() {
            debug!("slow clients keep too much, and this one was the slowest");
            return Poll::Ready(End::Failed(None));
        }
        if !is_flushed.load(Ordering::Relaxed) {
            if !is_writing {
                is_writing = true;
                written_by.as_mut().reset(Instant::now() + write_timeout);
            }
            return written_by.as_mut().poll(cx).map(|()| {
                debug!("an answer was not taken in time");
                End::Failed(None)
            });
        }
        is_writing = false;
        // Answers to earlier requests on this connection must be out before its socket is taken away.
        take(&client.handoff).map_or(Poll::Pending, |handoff| Poll::Ready(End::Handoff(handoff)))
    })
    .await;
    let parts = connection.into_parts();
    let (socket, status) = parts.io.into_parts();
    Ended { end, socket: socket.into_inner(), read: parts.read_buf, status }
}

/// Closes a connection, or hands its stream off. What takes time then is cut short where somebody else needs the place.
async fn finish(ended: Ended, client: Arc<Client>, service: &Service) {
    let told_to_leave = Arc::clone(&client.seat.told_to_leave);
    unless_told_to_leave(&told_to_leave, close(ended, client, service)).await;
}

async fn unless_told_to_leave(told_to_leave: &Notify, closing: impl Future<Output = ()>) {
    tokio::select! {
        () = closing => {}
        () = told_to_leave.notified() => debug!("a connection at its end made room for another"),
    }
}

async fn close(ended: Ended, client: Arc<Client>, service: &Service) {
    let Ended { end, socket, read, status } = ended;
    match end {
        End::Done => linger(socket).await,
        End::Failed(error) => {
            let problem = refusal(status, error.as_ref(), &client, &service.settings);
            let Some((problem, patience)) = problem else { return };
            service.refusals.answer(socket, &read, problem, patience).await;
        }
        End::Handoff(handoff) => {
            let client = Arc::into_inner(client).expect("no request is being answered any more");
            hand_off(handoff, socket, client.seat, service).await;
        }
    }
}

/// What to say to a head that hyper cannot read, and how long to look for its origin. Nothing to who goes, or never began one.
fn refusal(
    status: Option<u16>,
    error: Option<&hyper::Error>,
    client: &Client,
    settings: &ServerSettings,
) -> Option<(Problem, Duration)> {
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let at_once = Duration::ZERO;
    match (status, error) {
        (Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), _) => {
            Some((Problem::head_too_large(LARGE_HEAD_BYTES, MAX_HEADERS), REST_OF_HEAD))
        }
        (Some(StatusCode::URI_TOO_LONG), _) => {
            Some((Problem::address_too_long(MAX_ADDRESS_BYTES), REST_OF_HEAD))
        }
        (Some(_), _) => {
            let detail = "this is no HTTP/1.1 request; its head cannot be read";
            Some((Problem::bad_request(detail), at_once))
        }
        (None, Some(error)) if error.is_parse_version_h2() => {
            let detail = "HTTP/2 is not spoken here; use HTTP/1.1, or a proxy that does";
            Some((Problem::bad_request(detail), at_once))
        }
        (None, Some(error)) if error.is_timeout() && client.head.has_begun() => {
            Some((Problem::head_too_slow(settings.head_timeout), at_once))
        }
        (None, _) => None,
    }
}

/// Hands a stream off to a worker, together with its socket.
async fn hand_off(ready: ReadyHandoff, socket: TcpStream, seat: Seat, service: &Service) {
    let ReadyHandoff { handoff, head, framing, origin } = ready;
    let permits = &service.http.limits.permits;
    if service.http.is_draining() {
        return service.refusals.answer_to(origin, socket, Problem::draining()).await;
    }
    permits.settle(&seat.permit);
    match socket.into_std() {
        Ok(socket) => {
            let crowded = permits.begin_stream(&handoff.permit);
            let transport = Transport { socket, head, framing, permit: seat.permit };
            service.workers.adopt(handoff, transport);
            if let Some(identity) = crowded {
                make_room_for_newest(identity, service).await;
            }
        }
        Err(error) => debug!(%error, "cannot hand off a stream"),
    }
}

/// Ends the oldest streams of an identity that has too many, unless that passes: a client that renews its stream has closed the
/// last one, and what says so may arrive after what opens the next.
async fn make_room_for_newest(identity: IdentityKey, service: &Service) {
    let _ = timeout(CLOSED_STREAM_ARRIVES, service.stop.cancelled()).await;
    for oldest in service.http.limits.permits.revoke_oldest(identity) {
        service.workers.replace(oldest);
    }
}

/// Answers one request. For a stream the answer is not given to hyper: what delivery needs is put aside, and hyper is left
/// waiting until its connection is taken apart.
async fn answer(
    service: Arc<Service>,
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    client.head.read();
    let permits = &service.http.limits.permits;
    let is_post = request.method() == Method::POST;
    if !permits.begin(&client.seat.permit) {
        // Its connection was told to leave, and is about to be closed.
        return std::future::pending().await;
    }
    let is_kept_for_webhooks = client.seat.share == Share::Webhooks;
    let mut response = if is_kept_for_webhooks && !is_post {
        let refusal = Problem::no_place().into_response();
        service.unavailable.look_at("none", &refusal);
        refusal
    } else {
        route(&service, &client, request).await?
    };
    let status = response.status();
    if response.extensions().get::<SendsWebhooks>().is_some() {
        permits.remember_webhook_sender(client.peer);
    } else if is_kept_for_webhooks && (!is_post || status.is_client_error()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let is_valid = status.is_success() || status.is_redirection();
    permits.wait(&client.seat.permit, client.peer, is_valid);
    Ok(response)
}

async fn route(
    service: &Service,
    client: &Client,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(PeerAddress(client.address));
    let framing = match request.version() {
        Version::HTTP_11 => Framing::Chunked,
        _ => Framing::UntilClose,
    };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let response = service.router.clone().oneshot(request).await?;
    let handoff = response.extensions().get::<HandoffExtension>().and_then(HandoffExtension::take);
    let Some(handoff) = handoff else { return Ok(response) };
    let head = encode_head(response.headers(), framing, &service.http.clock);
    let ready = ReadyHandoff { handoff, head, framing, origin };
    *client.handoff.lock().expect("never held in a panic") = Some(ready);
    std::future::pending().await
}

fn take(handoff: &Mutex<Option<ReadyHandoff>>) -> Option<ReadyHandoff> {
    handoff.lock().expect("never held in a panic").take()
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
pub(in crate::http) async fn linger(mut socket: TcpStream) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut scratch = [0; 8 * 1024];
    let mut discarded = 0;
    let discard = async {
        while discarded < MAX_LINGER_BYTES {
            match socket.read(&mut scratch).await {
                Ok(0) | Err(_) => return,
                Ok(count) => discarded += count,
            }
        }
    };
    // A client that takes longer is cut off.
    let _ = timeout(LINGER, discard).await;
}
