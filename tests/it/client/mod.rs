//! The package of `clients/js` in a real Chromium, and once in a real Firefox, with the service behind a real nginx.

mod cookies;
mod examples;
mod firefox;
mod fixture;
mod heavy;
mod moderates;
mod recovers;
mod refused;
mod tabs;
mod timeline;
mod watches;
