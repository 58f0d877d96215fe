//! A client of the three calls of LiveKit's `RoomService` that this service needs: who is in a room, which rooms there are, and
//! whether a session lives.
//!
//! Twirp over JSON (`livekit/livekit_room.twirp.go` of livekit/protocol). Says what LiveKit answered; what an answer means for a
//! room is decided elsewhere.

mod answer;
mod client;
mod error;
mod method;
mod metrics;
mod proxy;
mod tls;

pub use client::{Api, ApiSettings};
pub use error::ApiError;
pub use metrics::ApiMetrics;
pub use proxy::{Proxy, ProxyVariables};
