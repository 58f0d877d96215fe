//! A scenario: a real livekit-server, real clients and the service as a process, all on loopback, and the faults between them.

mod api;
mod clients;
mod deliveries;
mod driver;
mod fault_proxy;
mod livekit_server;
mod machine_share;
mod moderator;
mod person;
mod redises;
mod report;
mod running;
mod service;
mod token;
mod tools;
mod version;
mod watch;

pub use api::Api;
pub use clients::{Client, Guest, Source};
pub use deliveries::Delivery;
pub use driver::Driver;
pub use fault_proxy::WebhookFault;
pub use livekit_server::{Key, LiveKitServer, Settings as LiveKitSettings};
pub use moderator::Moderator;
pub use person::Person;
pub use report::percentiles;
pub use running::{Inside, Plan, ROOM, Scenario, Watched};
pub use token::sign;
pub use tools::{Tools, say};
pub use version::Version;
pub use watch::Watch;
