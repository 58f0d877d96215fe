//! LiveKit's own Redis: what its servers keep there of rooms and of the people in them (`pkg/service/redisstore.go` of
//! livekit-server). Only ever reads.
//!
//! Redis tells of changes to what was read (`CLIENT TRACKING`), within milliseconds: once, and again after it was read again. So
//! there is nothing to give up for rooms that nobody watches any more. Begin with `handle.rs`, which is what others call.

mod budget;
mod changes;
mod connection;
mod error;
mod examine;
mod handle;
mod keys;
mod layout;
mod lost;
mod messages;
mod metrics;
mod node_watch;
mod nodes;
mod reader;
mod room_object;
mod settings;
mod shared;
mod sizes;
mod spending;
mod task;
mod under_way;

pub use budget::{ByteBudget, ByteRate};
pub use changes::{KeptChange, KeptChanges};
pub use error::LiveKitRedisError;
pub use examine::{KeptByLiveKit, examine};
pub use handle::{KeptNames, KeptPeople, LiveKitRedis};
pub use messages::{Unreadable, participants, room};
pub use metrics::LiveKitRedisMetrics;
pub use room_object::RoomObject;
pub use settings::LiveKitRedisSettings;
pub use spending::Payment;
