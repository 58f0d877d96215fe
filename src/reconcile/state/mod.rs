//! What is known: which rooms wait, which calls are left, what LiveKit said. Pure, or nearly so: nothing here asks anybody.

pub mod budget;
pub mod listed_rooms;
pub mod pace;
pub mod queue;
pub mod refusals;
pub mod signers;
pub mod trouble;
