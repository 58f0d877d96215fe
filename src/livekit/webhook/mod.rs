//! A webhook, in the only order that is safe: its token from the headers, then its body's hash, and only then its JSON.

mod body;
mod details;
mod name;
mod token;

pub use body::{MalformedWebhook, Webhook};
pub use details::{Report, shown_object};
pub use name::WebhookName;
pub use token::{BodyMismatch, VerifiedWebhook, WebhookToken};
