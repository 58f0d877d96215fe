//! `livekit-presence conformance`: plays webhooks to any implementation that takes those of LiveKit and serves lists of rooms, and
//! says by named cases what is right and what is not.
//!
//! It speaks HTTP and nothing else: it knows no store, and none of the rules by which this service keeps rooms. What must be shown
//! is written in each case, or comes from a model of its own (`src/conformance/model.rs`). Every case has a room of its own, with a
//! name that no other run has. Begin with `src/conformance/run.rs`; the cases are in `src/conformance/cases`, one file for each group.

mod captured;
mod case;
mod cases;
mod forged;
mod group;
mod model;
mod options;
mod person;
mod reach;
mod report;
mod room;
mod run;
mod shown;
mod stream;
mod target;
mod webhook;

pub use group::Group;
pub use options::{Options, Paths};
pub use report::Report;
pub use run::{list_cases, run};
