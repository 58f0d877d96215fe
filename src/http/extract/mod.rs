//! What handlers take from a request.

pub(super) mod client_address;
pub(super) mod event_filter;
pub(super) mod handshake;
pub(super) mod history_query;
pub(super) mod in_path;
pub(super) mod json_body;
pub(super) mod last_event_id;
pub(super) mod preconditions;
pub(super) mod query;
pub(super) mod rooms_query;
pub(super) mod rooms_view;
pub mod streamed_rooms;
pub(super) mod view;
