//! LiveKit's own lists, compared with ours: webhooks get lost in silence, and some changes have none.
//!
//! Decides which room is compared when, within the budget of calls, asks LiveKit, lets the pure rules of `presence` compute
//! repairs, and hands those to the store. The hub asks here to have a room confirmed; nothing here knows browsers.

mod api_health;
mod compare;
mod context;
mod failure;
mod gateway;
mod metrics;
mod probe;
mod scheduler;
mod state;

pub use gateway::{Confirmation, ReconcileSettings, Reconciler, Watched};
pub use metrics::ReconcileMetrics;
