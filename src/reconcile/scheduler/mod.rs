//! Which room is compared when: what is due, as far as the budget and the other instances allow.
//!
//! `task` is the loop, `grant` chooses the next room and takes a call for it, `turn` runs its comparison, `sweep` has all rooms
//! compared, `shared_wait` has the instances agree on how long rooms wait.

mod grant;
mod shared_wait;
mod sweep;
mod task;
mod turn;

pub use task::Scheduler;
