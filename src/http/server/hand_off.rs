//! The hand-off of a stream and its socket to a worker.

use std::time::Duration;

use axum::http::HeaderValue;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};
use tracing::debug;

use crate::{
    delivery::{CloseReason, Transport},
    http::{
        limits::{identity_key::IdentityKey, permits::Seat},
        problem::Problem,
        respond::event_stream::HandedOff,
    },
    sse::Framing,
    web_socket::Close,
};

use super::{linger::linger, service::Service};

/// When a client renews its stream, the close of the old one is noticed at most this long after the new one opens, even through a
/// proxy.
const CLOSED_STREAM_DELAY: Duration = Duration::from_secs(1);
/// The client must take a refusal within this time.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// A handoff that waits for its socket, which hyper still has.
pub(super) struct ReadyHandoff {
    pub handed_off: HandedOff,
    pub head: Vec<u8>,
    pub framing: Framing,
    /// The request's.
    pub origin: Option<HeaderValue>,
}

/// Hands a stream off to a worker, together with its socket. `received` is what the client has sent after its request.
pub(super) async fn hand_off(
    ready: ReadyHandoff,
    socket: TcpStream,
    received: &[u8],
    seat: Seat,
    service: &Service,
) {
    let ReadyHandoff { handed_off, head, framing, origin } = ready;
    let permits = &service.http.limits.permits;
    let is_draining = service.http.is_draining();
    let handoff = match handed_off {
        _ if is_draining && framing == Framing::WebSocket => {
            return refuse(head, &CloseReason::Drain.close(), socket).await;
        }
        HandedOff::Refused(close) => return refuse(head, &close, socket).await,
        HandedOff::Stream(_) if is_draining => {
            return service.refusals.answer_to(origin, socket, Problem::draining()).await;
        }
        HandedOff::Stream(handoff) => handoff,
    };
    permits.settle(seat.permit, &handoff.permit);
    match socket.into_std() {
        Ok(socket) => {
            let crowded = permits.begin_stream(&handoff.permit);
            let received = received.to_vec();
            let transport = Transport { socket, head, framing, received };
            service.workers.adopt(handoff, transport);
            if let Some(identity) = crowded {
                make_room_for_newest(identity, service).await;
            }
        }
        Err(error) => debug!(%error, "cannot hand off a stream"),
    }
}

/// Ends the oldest streams of an identity that has too many. A client that renews its stream may seem to have one too many for a
/// moment, so this waits and looks again.
async fn make_room_for_newest(identity: IdentityKey, service: &Service) {
    let _ = timeout(CLOSED_STREAM_DELAY, service.stop.cancelled()).await;
    service.http.end_oldest_streams(identity);
}

/// Accepts a WebSocket and closes it.
async fn refuse(mut head: Vec<u8>, close: &Close, mut socket: TcpStream) {
    head.extend_from_slice(&close.encode());
    if matches!(timeout(WRITE_TIMEOUT, socket.write_all(&head)).await, Ok(Ok(()))) {
        linger(socket).await;
    }
}
