//! The response to a WebSocket's handshake. It always succeeds: a browser shows its page nothing of a refused one, but does show
//! why a connection was closed.

use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};

use crate::{
    delivery::Handoff,
    http::{extract::handshake::Handshake, problem::Problem},
};

use super::event_stream::{HandedOff, HandoffExtension, body_of_unknown_length};

/// Accepts a handshake, for a stream or only to say why there is none.
pub(in crate::http) fn accept(
    Handshake(headers): Handshake,
    opened: Result<Handoff, Problem>,
) -> Response {
    let mut response = Response::new(Body::new(body_of_unknown_length()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().extend(headers);
    response.headers_mut().remove(header::CONTENT_LENGTH);
    let handed_off = match opened {
        Ok(handoff) => HandedOff::Stream(handoff),
        Err(problem) => {
            let close = problem.close();
            // The log explains every 503.
            if let Some(why) = problem.why() {
                response.extensions_mut().insert(why);
            }
            HandedOff::Refused(close)
        }
    };
    response.extensions_mut().insert(HandoffExtension::new(handed_off));
    response
}
