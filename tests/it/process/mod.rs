//! What only a process shows.

mod command_line;
mod crowd;
mod descriptors;
mod env_file;
mod log;
mod signals;
