//! The client of LiveKit's API.

mod client;
mod metrics;
mod proxy;

pub use client::{Api, ApiError, ApiSettings};
pub use metrics::ApiMetrics;
pub use proxy::{Proxy, ProxyVariables};
