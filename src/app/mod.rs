//! Puts the parts together, runs them, and ends them in order.

mod asking;
mod assembly;
mod descriptors;
mod early_timer;
mod export;
mod figures;
mod kept;
mod livekit_redis;
mod log;
mod log_context;
mod service;
mod tokens;

pub use assembly::StartError;
pub(crate) use descriptors::Descriptors;
pub use export::{ExportError, export_history};
pub use log::start_logging;
pub use service::App;
