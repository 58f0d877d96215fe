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
mod state;

pub use auth::{AuthMode, AuthSettings};
pub use extract::client_address::TrustedProxies;
pub use limits::limit_set::{LimitSettings, Limits};
pub use metrics::HttpMetrics;
pub use middleware::cors::CorsOrigins;
pub use origin::{AllowedOrigin, InvalidOrigin};
pub use routes::{rooms::RoomList, stream::StreamSettings, webhook::Refusing};
pub use server::listener::{Server, ServerSettings};
pub use state::HttpState;
