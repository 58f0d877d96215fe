//! The client by which other servers are asked: LiveKit's API, and the app's own server. Connections are reused, and may go through a
//! proxy. It says what came back, within bounds; what an answer means is decided by those who ask.
//!
//! It follows no redirect: an address that answers could otherwise have this service ask others within its network.

mod client;
mod error;
mod proxy;
mod tls;

pub use client::{HttpClient, HttpClientSettings, read_body};
pub use error::ExchangeError;
pub use proxy::{Proxy, ProxyVariables};
