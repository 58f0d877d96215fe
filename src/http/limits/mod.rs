//! How much clients may have: connections, streams, reads, questions to the history, memory for heads and bodies, lines in the log.

pub(super) mod client_address;
pub(super) mod identity_key;
pub(super) mod limit_set;
pub(super) mod permits;
pub(super) mod rate_limit;
pub(super) mod repeats;
pub(super) mod seats;
pub(super) mod turns;
