//! The handlers, one file for each route. A handler reads as a sentence.

pub(super) mod bans;
pub(super) mod diagnosis;
pub(super) mod dry_run;
pub(super) mod events;
pub(super) mod figures;
pub(super) mod health;
pub(super) mod history;
pub(super) mod metrics;
pub(super) mod misdirected;
pub(super) mod moderation;
pub(super) mod openapi;
pub(super) mod page;
pub(super) mod participants;
pub(super) mod participants_ws;
pub(super) mod room;
pub(super) mod rooms;
pub(super) mod rooms_stream;
pub(super) mod rooms_ws;
pub(super) mod roster;
pub(super) mod stream;
pub(super) mod token;
pub(super) mod webhook;
pub(super) mod webhooks;
