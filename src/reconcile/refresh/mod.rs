//! What LiveKit's Redis keeps of watched rooms, read again as soon as it tells of a change, so that people are described as they are
//! now. A reading takes no lease, asks LiveKit's API nothing, and writes only what differs.
//!
//! - `refresher`: the task, which is told of changes and begins readings
//! - `reading`: one reading, and what follows from it
//! - `pace`: which room is read when
//! - `doubt`: whether people differ for longer than webhooks are on their way
//! - `rooms`: the task that reads the metadata of rooms
//! - `readings`: what these share

mod doubt;
mod pace;
mod reading;
mod readings;
mod refresher;
mod rooms;

pub(super) use readings::Readings;
pub(super) use refresher::Refresher;
pub(super) use rooms::RoomsRefresher;
