//! Routes, credentials, limits and errors. Handlers read as a sentence; status codes are named here and nowhere else.

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
mod router;
mod routes;
mod server;
mod settings;
mod state;

pub use extract::client_address::TrustedProxies;
pub use limits::limit_set::Limits;
pub use metrics::HttpMetrics;
pub use middleware::cors::CorsOrigins;
pub use origin::{AllowedOrigin, InvalidOrigin};
pub use routes::{rooms::RoomList, webhook::Refusing};
pub use server::listener::Server;
pub use settings::{AuthMode, AuthSettings, LimitSettings, ServerSettings, StreamSettings};
pub use state::HttpState;
