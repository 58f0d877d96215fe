//! The last webhooks of this instance, for those who run it: what came, what became of it, and why it was refused.
//!
//! Bounded in number and in bytes, and never written anywhere. What strangers send lies in a ring of its own, so that it cannot push
//! out what LiveKit sent. Knows no HTTP.

mod clean;
mod entry;
mod log;

pub use clean::MAX_BODY_BYTES;
pub use entry::{Changed, Entry, Noted};
pub use log::{Numbered, Page, Refused, WebhookLog};
