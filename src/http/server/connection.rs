//! One client's connection, from its first byte until it is closed or its stream is handed off.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{body::Bytes, http::StatusCode};
use tokio::{net::TcpStream, sync::Notify};
use tracing::debug;

use crate::http::{
    limits::{client_address::Peer, limit_set::LARGE_HEAD_BYTES, permits::Seat},
    problem::Problem,
};

use super::{
    connection_state::ConnectionState,
    conversation::{End, Ended, HeadLimits, converse},
    hand_off::hand_off,
    linger::linger,
    service::Service,
};

/// Every connection has the memory for heads of this size. Larger ones take memory that is counted.
const SMALL_HEAD_BYTES: usize = 16 * 1024;
/// hyper reads no longer address (`http::Uri`).
const MAX_ADDRESS_BYTES: usize = 65_534;
/// hyper reads no more headers.
const MAX_HEADERS: usize = 100;
/// How long to wait for the rest of a head that is too large, because its `Origin` may still come.
const REST_OF_HEAD_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves one connection to its end, or until a worker takes it over.
pub(super) async fn serve(
    socket: TcpStream,
    address: SocketAddr,
    peer: Peer,
    seat: Seat,
    service: Arc<Service>,
) {
    let (head, handoff) = (Arc::default(), Mutex::default());
    let state = Arc::new(ConnectionState { address, peer, seat, head, handoff });
    let timeout = service.settings.head_timeout;
    let small = HeadLimits { max_bytes: SMALL_HEAD_BYTES, timeout, keep_alive: true };
    let ended = converse(socket, Bytes::new(), small, &state, &service).await;
    if ended.status == Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE.as_u16()) {
        serve_large_head(ended, state, &service).await;
    } else {
        finish(ended, state, &service).await;
    }
}

/// Reads a head once more, with the memory that a large one takes, and answers that one request.
async fn serve_large_head(ended: Ended, state: Arc<ConnectionState>, service: &Arc<Service>) {
    match service.http.limits.read_large_head(&state.seat.permit, state.peer) {
        Ok(memory) => {
            let spent = state.head.begun_at().map_or(Duration::ZERO, |at| at.elapsed());
            let timeout = service.settings.head_timeout.saturating_sub(spent);
            let large = HeadLimits { max_bytes: LARGE_HEAD_BYTES, timeout, keep_alive: false };
            let ended = converse(ended.socket, ended.read, large, &state, service).await;
            // It names the connection's permit, which a stream's takes the place of.
            drop(memory);
            finish(ended, state, service).await;
        }
        Err(problem) => {
            let answering =
                service.refusals.answer(ended.socket, &ended.read, problem, REST_OF_HEAD_TIMEOUT);
            unless_told_to_leave(&state.seat.told_to_leave, answering).await;
        }
    }
}

/// Closes a connection, or hands its stream off. Stops at once when somebody else needs the place.
async fn finish(ended: Ended, state: Arc<ConnectionState>, service: &Service) {
    let told_to_leave = Arc::clone(&state.seat.told_to_leave);
    unless_told_to_leave(&told_to_leave, close(ended, state, service)).await;
}

async fn unless_told_to_leave(told_to_leave: &Notify, closing: impl Future<Output = ()>) {
    tokio::select! {
        () = closing => {}
        () = told_to_leave.notified() => debug!("a connection at its end made room for another"),
    }
}

async fn close(ended: Ended, state: Arc<ConnectionState>, service: &Service) {
    let Ended { end, socket, read, status } = ended;
    match end {
        End::Done => linger(socket).await,
        End::Failed(error) => {
            let status = status.and_then(|status| StatusCode::from_u16(status).ok());
            let head_began = state.head.has_begun();
            let head_timeout = service.settings.head_timeout;
            let problem = problem_of_head(status, error.as_ref(), head_began, head_timeout);
            let Some((problem, patience)) = problem else { return };
            service.refusals.answer(socket, &read, problem, patience).await;
        }
        End::Handoff(handoff) => {
            let state = Arc::into_inner(state).expect("no request is being answered any more");
            hand_off(handoff, socket, &read, state.seat, service).await;
        }
    }
}

/// The answer to a head that hyper could not read, and how long to look for its origin. None for a client that left or never
/// began a head.
fn problem_of_head(
    status: Option<StatusCode>,
    error: Option<&hyper::Error>,
    head_began: bool,
    head_timeout: Duration,
) -> Option<(Problem, Duration)> {
    let at_once = Duration::ZERO;
    match (status, error) {
        (Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), _) => {
            Some((Problem::head_too_large(LARGE_HEAD_BYTES, MAX_HEADERS), REST_OF_HEAD_TIMEOUT))
        }
        (Some(StatusCode::URI_TOO_LONG), _) => {
            Some((Problem::address_too_long(MAX_ADDRESS_BYTES), REST_OF_HEAD_TIMEOUT))
        }
        (Some(_), _) => Some((Problem::unreadable_head(), at_once)),
        (None, Some(error)) if error.is_parse_version_h2() => Some((Problem::http2(), at_once)),
        (None, Some(error)) if error.is_timeout() && head_began => {
            Some((Problem::head_too_slow(head_timeout), at_once))
        }
        (None, _) => None,
    }
}
