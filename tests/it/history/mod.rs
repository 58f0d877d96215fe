//! The history: its database of both kinds, and what fills it.

mod database;
mod rows;
mod writing;
