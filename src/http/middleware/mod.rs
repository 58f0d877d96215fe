//! What happens to every request, or to every answer, of several routes.

pub(super) mod answer_in_time;
pub(super) mod cors;
pub(super) mod count;
pub(super) mod limit;
pub(super) mod request_id;
pub(super) mod unavailable;
