//! A client of the calls of LiveKit's `RoomService` that this service needs: who is in a room, which rooms there are, whether a
//! session lives, and what moderators do.
//!
//! Twirp over JSON (`livekit/livekit_room.twirp.go` of livekit/protocol). Says what LiveKit answered; what an answer means for a
//! room is decided elsewhere.

mod answer;
mod client;
mod error;
mod method;
mod metrics;
mod moderation;

pub use client::{Api, ApiSettings};
pub use error::ApiError;
pub use metrics::ApiMetrics;
pub use moderation::{ParticipantUpdate, PermissionUpdate, UpdatedParticipant};
