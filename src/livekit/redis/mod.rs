//! LiveKit's own Redis: what its servers keep there of rooms and of the people in them (`pkg/service/redisstore.go` of
//! livekit-server). Only ever reads.

mod messages;
mod room_object;

pub use messages::{Unreadable, participants, room};
pub use room_object::RoomObject;
