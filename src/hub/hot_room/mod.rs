//! The task of one hot room.
//!
//! `task` opens the room and waits for its inputs; `inputs` has a method for each; `resync` reads the room again from the store;
//! `publish` puts out snapshots.

mod inputs;
mod pending;
mod publish;
mod resync;
mod task;

pub(super) use task::HotRoom;
