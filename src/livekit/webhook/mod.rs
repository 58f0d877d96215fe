//! A webhook, in the only order that is safe: its token from the headers, then its body's hash, and only then its JSON.

mod body;

pub use body::{
    BodyMismatch, MalformedWebhook, VerifiedWebhook, Webhook, WebhookName, WebhookToken,
};
