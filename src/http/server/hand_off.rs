//! The hand-off of a stream and its socket to a worker.

use std::time::Duration;

use axum::http::HeaderValue;
use tokio::{net::TcpStream, time::timeout};
use tracing::debug;

use crate::{
    delivery::{Handoff, Transport},
    http::{
        limits::{identity_key::IdentityKey, permits::Seat},
        problem::Problem,
    },
    sse::Framing,
};

use super::service::Service;

/// When a client renews its stream, the close of the old one is noticed at most this long after the new one opens, even through a
/// proxy.
const CLOSED_STREAM_DELAY: Duration = Duration::from_secs(1);

/// A handoff that waits for its socket, which hyper still has.
pub(super) struct ReadyHandoff {
    pub handoff: Handoff,
    pub head: Vec<u8>,
    pub framing: Framing,
    /// The request's.
    pub origin: Option<HeaderValue>,
}

/// Hands a stream off to a worker, together with its socket.
pub(super) async fn hand_off(
    ready: ReadyHandoff,
    socket: TcpStream,
    seat: Seat,
    service: &Service,
) {
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

/// Ends the oldest streams of an identity that has too many. A client that renews its stream may seem to have one too many for a
/// moment, so this waits and looks again.
async fn make_room_for_newest(identity: IdentityKey, service: &Service) {
    let _ = timeout(CLOSED_STREAM_DELAY, service.stop.cancelled()).await;
    for oldest in service.http.limits.permits.revoke_oldest(identity) {
        service.workers.replace(oldest);
    }
}
