//! Routes, credentials, limits and errors. Handlers read as a sentence; only this layer names status codes.

mod auth;
mod extract;
#[cfg(fuzzing)]
pub mod fuzzing;
mod limits;
mod metrics;
mod middleware;
mod origin;
mod problem;
mod respond;
mod room_list;
mod router;
mod routes;
mod server;
mod settings;
mod state;
mod tokens;
mod web_socket;
mod webhook_outage;

pub use limits::{client_address::TrustedProxies, limit_set::Limits};
pub use metrics::HttpMetrics;
pub use middleware::request_id::RequestInProgress;
pub use origin::{AllowedOrigin, CorsOrigins, InvalidOrigin};
pub use room_list::RoomList;
pub use server::listener::Server;
pub use settings::{
    AuthMode, AuthSettings, LimitSettings, ServerSettings, StreamSettings, TokenSettings,
};
pub use state::{HttpState, Observed};
pub use tokens::Tokens;
pub use webhook_outage::WebhookOutage;
