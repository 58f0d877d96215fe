//! LiveKit's own lists, compared with ours, because webhooks get lost in silence and some changes have none.
//!
//! Decides which room is compared when, within the budget of calls; asks LiveKit; lets the pure rules of `presence` compute
//! repairs; and hands those to the store. The hub asks here to have a room confirmed. Nothing here knows browsers.
//!
//! - `gateway`, `moderators`, `watched`: what the rest of the service calls
//! - `scheduler`: starts the comparisons that are due and that the budget allows
//! - `compare`: one room's comparison; `repair` hands its repairs to the store
//! - `refresh`: what LiveKit's Redis tells of watched rooms, as it happens; `kept`: whether that Redis is used
//! - `metadata`: what LiveKit says of the metadata of rooms, where it is asked anyway
//! - `probe`: liveness probes of the sessions in a room
//! - `state`: what is known, behind one lock: who waits, which calls are left, what LiveKit said
//! - `banned`: where comparisons tell of banned people whom LiveKit lists
//! - `context`: all of these work on it; `calls`, `room_list` and `api_health` are what they ask of it

mod api_health;
mod banned;
mod calls;
mod compare;
mod context;
mod crashes;
mod failure;
mod gateway;
mod kept;
mod metadata;
mod metrics;
mod moderators;
mod probe;
mod refresh;
mod repair;
mod room_list;
mod scheduler;
mod settings;
mod state;
mod watched;
mod whose_redis;

pub use banned::RemoveBanned;
pub use gateway::{Confirmation, Reconciler, ReconcilerParts};
pub use metrics::ReconcileMetrics;
pub use settings::ReconcileSettings;
pub use watched::Watched;
