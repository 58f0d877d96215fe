//! What several routes share: it happens before or after their handlers.

pub(super) mod answer_in_time;
pub(super) mod cors;
pub(super) mod count;
pub(super) mod limit;
pub(super) mod request_id;
pub(super) mod unavailable;
