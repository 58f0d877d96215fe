//! The configuration: parsed once into its final types, and checked before any address is bound. Nothing else reads the
//! environment.
//!
//! Each table of `config/default.toml` has a file here with its struct, its parsing and its bounds.

mod auth;
mod bounds;
mod configuration;
mod env_file;
mod error;
mod events;
mod history;
mod http;
mod keys;
mod layers;
mod limits;
mod livekit;
mod livekit_redis;
mod log;
mod presence;
mod reconcile;
mod roles;
mod shutdown;
mod start_mode;
mod store;
mod stream;
#[cfg(test)]
mod tests;
mod tokens;
mod values;

pub use auth::AuthConfig;
pub use configuration::Config;
pub use error::{ConfigError, ConfigErrors};
pub use events::EventsConfig;
pub use history::HistoryConfig;
pub use http::HttpConfig;
pub use limits::LimitsConfig;
pub use livekit::LiveKitConfig;
pub use log::{LogConfig, LogFormat};
pub use presence::PresenceConfig;
pub use reconcile::ReconcileConfig;
pub use shutdown::ShutdownConfig;
pub use start_mode::StartMode;
pub use store::StoreConfig;
pub use stream::StreamConfig;
pub use tokens::{AppAddress, TokensConfig};
