//! `GET /api/livekit/diagnosis`: how a request reached this instance, for `livekit-presence doctor`, which compares it with what it
//! sent.

use std::net::SocketAddr;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderName, Version, header},
};
use serde::Serialize;

use crate::http::{
    auth::Operator, extract::client_address::PeerAddress, limits::client_address::ClientAddress,
    state::Http,
};

/// How a request arrived.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Diagnosis {
    version: &'static str,
    /// By this instance's clock, in milliseconds.
    time: u64,
    /// The address that limits count for the request.
    client: String,
    /// The other end of the socket: the client's, or that of the last proxy before this instance.
    peer: String,
    /// Whether `http.trusted_proxies` has the other end.
    peer_is_trusted: bool,
    /// `X-Forwarded-For`, as it arrived.
    forwarded_for: Vec<String>,
    /// The version of HTTP between the last proxy and this instance.
    http_version: &'static str,
}

pub(in crate::http) async fn read(
    State(http): State<Http>,
    _: Operator,
    client: ClientAddress,
    Extension(PeerAddress(peer)): Extension<PeerAddress>,
    version: Version,
    headers: HeaderMap,
) -> ([(HeaderName, &'static str); 1], Json<Diagnosis>) {
    let forwarded = headers.get_all("x-forwarded-for").iter();
    let diagnosis = Diagnosis {
        version: env!("CARGO_PKG_VERSION"),
        time: http.clock.now().as_millis(),
        client: client.to_string(),
        peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()).to_string(),
        peer_is_trusted: http.trusted_proxies.peer(peer.ip()).is_proxy,
        forwarded_for: forwarded.filter_map(|one| Some(one.to_str().ok()?.to_owned())).collect(),
        http_version: if version == Version::HTTP_10 { "1.0" } else { "1.1" },
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(diagnosis))
}
