//! What only a process of its own can show.

mod command_line;
mod crowd;
mod descriptors;
mod env_file;
mod log;
mod signals;
