//! What handlers answer with, beside problems.

pub(super) mod conditional;
pub(super) mod event_stream;
pub(super) mod kept_answer;
pub(super) mod table;
pub(super) mod web_socket;
