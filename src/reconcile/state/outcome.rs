//! How a comparison ended.

/// How a comparison ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComparisonOutcome {
    /// The room was brought into line with LiveKit's list.
    Confirmed,
    /// LiveKit has the room, and does not say who is inside, or whether somebody is gone: probes decide.
    Undecided,
    /// LiveKit, or the store, did not say.
    Unknown,
}
