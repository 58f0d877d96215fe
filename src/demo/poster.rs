//! Posts webhooks as LiveKit does: signed, one at a time, and again when they are not taken.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use axum::{
    body::Body,
    http::{Request, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpStream, time::sleep};
use tracing::warn;

use crate::{
    clock::Clock,
    livekit::{Keys, WebhookToken},
};

/// The waits between LiveKit's five attempts (go-retryablehttp's defaults).
const WAITS_SECS: [u64; 4] = [1, 2, 4, 8];

pub(super) struct Poster {
    /// Tried in this order.
    addresses: Vec<SocketAddr>,
    keys: Keys,
    clock: Clock,
}

impl Poster {
    /// For a service that listens at `address`.
    pub fn new(address: SocketAddr, keys: Keys, clock: Clock) -> Self {
        Self { addresses: reachable_at(address), keys, clock }
    }

    /// Posts a webhook until it is taken or refused for good, and at most five times.
    pub async fn post(&self, webhook: Value) {
        let body = webhook.to_string();
        let now = self.clock.now().as_secs();
        let Some(token) = WebhookToken::sign(body.as_bytes(), &self.keys, now) else { return };
        for wait in WAITS_SECS.map(Some).into_iter().chain([None]) {
            match self.attempt(&token, body.clone()).await {
                Ok(status) if status < 500 && status != 429 => return,
                Ok(status) => warn!(status, "the demo's webhook was not taken"),
                Err(error) => warn!(%error, "the demo's webhook did not arrive"),
            }
            let Some(secs) = wait else { return };
            sleep(Duration::from_secs(secs)).await;
        }
    }

    async fn attempt(&self, token: &str, body: String) -> io::Result<u16> {
        let socket = TcpStream::connect(self.addresses.as_slice()).await?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::post("/api/livekit/webhook")
            .header(header::HOST, "localhost")
            .header(header::AUTHORIZATION, token)
            .header(header::CONTENT_TYPE, "application/webhook+json")
            .body(Body::from(body))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.status().as_u16())
    }
}

/// The addresses of a service that listens at `address`: the loopback ones if it listens everywhere. `[::]` takes both families, and a
/// machine can lack `::1`.
fn reachable_at(address: SocketAddr) -> Vec<SocketAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let ips = match address.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => vec![v4, v6],
        IpAddr::V4(ip) if ip.is_unspecified() => vec![v4],
        ip => vec![ip],
    };
    ips.into_iter().map(|ip| SocketAddr::new(ip, address.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_reached_where_it_listens() {
        let cases: [(&str, &[&str]); 5] = [
            ("[::]:80", &["127.0.0.1:80", "[::1]:80"]),
            ("0.0.0.0:80", &["127.0.0.1:80"]),
            ("127.0.0.1:80", &["127.0.0.1:80"]),
            ("[::1]:80", &["[::1]:80"]),
            ("192.0.2.7:80", &["192.0.2.7:80"]),
        ];
        for (address, expected) in cases {
            let expected: Vec<SocketAddr> =
                expected.iter().map(|one| one.parse().unwrap()).collect();
            assert_eq!(reachable_at(address.parse().unwrap()), expected, "{address}");
        }
    }
}
