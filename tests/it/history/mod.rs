//! The history: its database of both kinds, what fills it, and what it answers.

mod database;
mod erasure;
mod export;
mod faults;
pub mod past;
mod plans;
mod reading;
mod rows;
mod writing;
