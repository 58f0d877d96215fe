//! The package of `clients/js` in a real Chromium, before the real service behind the real nginx.

mod cookies;
mod examples;
mod fixture;
mod heavy;
mod recovers;
mod refused;
mod tabs;
