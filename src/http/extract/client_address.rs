//! Extracts whose request it is.

use std::net::SocketAddr;

use axum::{
    extract::FromRequestParts,
    http::{Extensions, HeaderMap, request::Parts},
};

use crate::http::{
    limits::client_address::ClientAddress,
    problem::Problem,
    state::{Http, HttpState},
};

/// The other end of the socket.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct PeerAddress(pub SocketAddr);

impl ClientAddress {
    pub fn of_request(
        http: &HttpState,
        extensions: &Extensions,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let peer = extensions.get::<PeerAddress>().ok_or_else(Problem::internal)?;
        Ok(Self::behind(peer.0, http, headers))
    }

    /// Of a request from this peer, which may be a proxy.
    pub fn behind(peer: SocketAddr, http: &HttpState, headers: &HeaderMap) -> Self {
        Self::of(http.trusted_proxies.client_of(peer.ip(), headers))
    }
}

impl FromRequestParts<Http> for ClientAddress {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, http: &Http) -> Result<Self, Problem> {
        Self::of_request(http, &parts.extensions, &parts.headers)
    }
}
