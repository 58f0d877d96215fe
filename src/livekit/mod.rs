//! LiveKit's outside format: its API keys, its tokens, its webhooks and its lists, turned into the words of `presence`.
//!
//! Knows nothing of stores and of our own HTTP. Facts are from `livekit-server` 1.13.5 and livekit/protocol, and each says where.

mod access_token;
mod api;
mod join_token;
mod key;
mod key_yaml;
mod list;
mod object;
pub mod redis;
mod role;
mod token;
mod video_grant;
mod webhook;
mod wire;

pub use access_token::AccessToken;
pub use api::{
    Api, ApiError, ApiMetrics, ApiSettings, ParticipantUpdate, PermissionUpdate, UpdatedParticipant,
};
pub use join_token::JoinToken;
pub use key::{ApiKey, InvalidKey, Keys, WEAK_SECRET_BYTES};
pub use list::{ListedRoom, UnreadableList, parse_participants, parse_rooms};
pub(crate) use object::Object;
pub use role::{Grants, InvalidRoles, Roles};
pub(crate) use token::NumericDate;
pub use token::{LEEWAY_SECS, TokenError};
pub use video_grant::VideoGrant;
pub use webhook::{
    BodyMismatch, MalformedWebhook, Report, VerifiedWebhook, Webhook, WebhookName, WebhookToken,
    shown_object,
};
