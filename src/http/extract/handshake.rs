//! Extracts the handshake of a WebSocket (RFC 6455, 4.2).

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, Request, request::Parts},
};
use tungstenite::{
    error::{Error, ProtocolError},
    handshake::server::create_response,
};

use crate::http::problem::Problem;

/// The headers that accept a handshake. No extension is among them, so that nothing is compressed: a frame is the same bytes for
/// everybody.
pub(in crate::http) struct Handshake(pub HeaderMap);

impl<S: Sync> FromRequestParts<S> for Handshake {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut request = Request::new(());
        request.method_mut().clone_from(&parts.method);
        *request.version_mut() = parts.version;
        request.headers_mut().clone_from(&parts.headers);
        match create_response(&request) {
            Ok(response) => Ok(Self(response.into_parts().0.headers)),
            Err(Error::Protocol(error)) => Err(problem(&error)),
            Err(_) => Err(Problem::internal()),
        }
    }
}

fn problem(error: &ProtocolError) -> Problem {
    match error {
        ProtocolError::MissingSecWebSocketKey | ProtocolError::InvalidSecWebSocketKey => {
            Problem::bad_request("`Sec-WebSocket-Key` must be 16 bytes in base64, as RFC 6455 says")
        }
        ProtocolError::MissingSecWebSocketVersionHeader => Problem::upgrade_required(
            "`Sec-WebSocket-Version` must be 13; no other version is spoken here",
        ),
        _ => Problem::upgrade_required(
            "this is a WebSocket: open it as one (`new WebSocket(…)`; a proxy must pass `Upgrade` and `Connection` on), or ask for `stream` instead of `ws`",
        ),
    }
}
