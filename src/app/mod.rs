//! Puts the parts together, runs them, and ends them in order.

mod assembly;
mod descriptors;
mod log;
mod service;

pub use assembly::StartError;
pub use log::start_logging;
pub use service::App;
