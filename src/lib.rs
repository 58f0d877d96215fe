//! Who is in which LiveKit room, right now, in every browser that asks.
//!
//! Bottom-up; a lower layer never imports a higher one. `docs/ARCHITECTURE.md` is the map, with a webhook's way and a stream's.
//!
//! - [`presence`]: the rules of a room, pure: what webhooks and LiveKit's lists do to it
//! - [`clock`]: the time of day, handed down so that tests can set it
//! - [`http_client`]: asks other servers: LiveKit's API, and the app's own
//! - [`redis_client`]: reaches Redis: addresses, a Cluster's nodes, sentinels
//! - [`livekit`]: LiveKit's format: keys, tokens, webhooks, lists, its API
//! - [`app_auth`]: who asks for a token of LiveKit, as the app says
//! - [`coordination`]: what the instances agree on: leases, the budget of calls, LiveKit's rooms
//! - [`store`]: where rooms live, in memory or in Redis
//! - [`reconcile`]: compares rooms with LiveKit's own lists, within a budget of calls
//! - [`moderation`]: what people who moderate have LiveKit do, shown at once
//! - [`web_socket`]: the frames of WebSockets
//! - [`sse`]: the format of event streams: frames, heartbeats, endings
//! - [`hub`]: follows the rooms that somebody watches, and encodes each list and each change once
//! - [`delivery`]: owns the subscribers' sockets, and writes frames to them
//! - [`history`]: who was there: sessions and rooms in a database
//! - [`roster`]: who is expected in a room, in which role, and who of them is there
//! - [`figures`]: what happened on this instance in the last hour, for charts
//! - [`webhook_log`]: the last webhooks of this instance
//! - [`http`]: routes, tokens, limits, errors
//! - [`config`]: what the operator says, parsed once
//! - [`app`]: puts the parts together, runs them, ends them in order
//! - [`doctor`]: says what is wrong with a deployment
//! - [`conformance`]: plays webhooks to any implementation, and says what its lists and streams lack
//! - [`demo`]: the simulated LiveKit of `livekit-presence demo`

mod abort_on_panic;
pub mod app;
pub mod app_auth;
mod blocking;
pub mod clock;
pub mod config;
pub mod conformance;
pub mod coordination;
pub mod delivery;
pub mod demo;
pub mod doctor;
mod error_chain;
pub mod figures;
pub mod history;
pub mod http;
pub mod http_client;
pub mod hub;
mod json;
mod jwt;
pub mod livekit;
mod metrics;
pub mod moderation;
pub mod presence;
pub mod reconcile;
pub mod redis_client;
pub mod roster;
pub mod sse;
pub mod store;
pub mod web_socket;
pub mod webhook_log;
