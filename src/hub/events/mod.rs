//! The feed of everything that happens.
//!
//! `registry` is the entrance. While anybody subscribes, one task (`task`) follows the store's log; each filter that subscribers
//! ask for has a topic (`feed_topic`, found by `topics`), whose content (`snapshot`) keeps the last events of that filter (`kept`). `shared` and
//! `state` are what the entrance and the task have in common. An event (`entry`) is encoded once for all filters. What a returning
//! subscriber missed comes from memory (`recent`) or from the store's log (`resume`), and `preface` encodes it.

mod entry;
mod error;
mod feed_topic;
mod filter;
mod kept;
mod metrics;
mod preface;
mod recent;
mod registry;
mod resume;
mod shared;
mod snapshot;
mod state;
mod task;
mod topics;

pub use error::EventsError;
pub use filter::EventFilter;
pub use metrics::EventMetrics;
pub use registry::{Events, OpenedFeed, ResumeFrom};
pub use shared::EventsConfig;
pub use snapshot::{EventsSnapshot, NotKept};
