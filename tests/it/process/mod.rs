//! What only a process of its own can show.

mod command_line;
mod descriptors;
mod log;
mod signals;
