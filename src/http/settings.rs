//! What an operator can set about HTTP, as `app` gives it.

use std::{net::SocketAddr, time::Duration};

use crate::livekit::Grants;

/// How connections are accepted.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub bind: SocketAddr,
    /// A request's head must arrive within this time, counted from its first byte.
    pub head_timeout: Duration,
    /// A connection without a request is closed after this time.
    pub idle_timeout: Duration,
    /// The client must take an answer within this time. It is taken for gone when it acknowledges nothing for as long.
    pub write_timeout: Duration,
}

/// How streams are opened.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// If false, streams are answered 204, which tells an `EventSource` to stop.
    pub enabled: bool,
    /// A stream ends after this time at the latest. Each ends up to a fifth earlier, so that they do not end together.
    pub max_age: Duration,
}

/// Whether clients need a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMode {
    /// Anybody may read everything.
    Open,
    /// A LiveKit access token says what its holder may read.
    LiveKit,
}

/// How clients show who they are.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    pub mode: AuthMode,
    /// The name of a cookie that may hold the token.
    pub cookie: Option<String>,
}

/// Which tokens of LiveKit are issued.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// LiveKit's address, as clients are told it.
    pub url: String,
    /// How long a token is good for joining.
    pub life: Duration,
    /// What one identity gets within any minute; zero means no limit.
    pub per_minute: u32,
    /// What those may do who have no role.
    pub default_grants: Grants,
    /// Anybody may say who they are.
    pub insecure: bool,
}

/// How much clients may ask for.
#[derive(Clone, Debug)]
pub struct LimitSettings {
    /// All connections, bounded by open files. One client address may have three quarters of them.
    pub connections: usize,
    /// The connections among them that are kept for peers that have sent a verified webhook.
    pub webhook_connections: usize,
    pub streams: usize,
    /// Zero means no limit, here and in the other limits per address and identity.
    pub streams_per_address: u32,
    pub streams_per_identity: u32,
    /// Reads a second; ten times as many may come at once. A stream of many rooms reads each of them. Health and metrics have the
    /// same limit, counted apart.
    pub reads_per_address: u32,
    /// Questions to LiveKit a second about rooms that the store does not hold.
    pub lookups_per_address: u32,
    pub refused_webhooks_per_address: u32,
    /// The memory for the bodies of webhooks that are being read.
    pub body_bytes: usize,
    /// The memory for large heads of requests that are being read.
    pub head_bytes: usize,
}
