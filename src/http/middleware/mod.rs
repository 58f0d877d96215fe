//! What several routes share: it happens before or after their handlers.

pub(super) mod around;
pub(super) mod cors;
pub(super) mod limit;
pub(super) mod request_id;
pub(super) mod unavailable;
