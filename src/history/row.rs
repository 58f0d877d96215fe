//! What the history keeps of a session, and of a life of a room. Times are milliseconds since the Unix epoch.

use serde::{Deserialize, Serialize};

use crate::presence::{LeftWhy, ToldBy};

/// One session of one person in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// LiveKit's id of it (`PA_…`).
    pub sid: String,
    pub identity: String,
    pub room: String,
    /// The life of the room that it belongs to (`RM_…`), if that is known.
    pub instance: Option<String>,
    pub name: String,
    /// LiveKit's name of its kind, such as `STANDARD`.
    pub kind: String,
    /// Whether LiveKit counts it as an agent, and not as a person.
    pub agent: bool,
    /// The beginning of its first interval.
    pub joined_at: i64,
    /// The end of its last interval; none while it is inside.
    pub left_at: Option<i64>,
    /// Whether `left_at` was said, and is not only the best that is known. True while it is inside.
    pub exact: bool,
    /// LiveKit's name of the reason for its end, if it said one.
    pub reason: Option<String>,
    pub joined_told_by: ToldBy,
    pub left_told_by: Option<ToldBy>,
    pub left_why: Option<LeftWhy>,
    pub spans: Spans,
    pub metadata: Option<String>,
    /// The newest item that was applied to it.
    pub seq: i64,
}

/// When a session could be seen inside, and when it sent what. Each list is in order, and its spans do not overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spans {
    pub inside: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub microphone: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub camera: Vec<Span>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub screen: Vec<Span>,
}

/// A span of time. Serializes to `[from, to]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(i64, Option<i64>)", into = "(i64, Option<i64>)")]
pub struct Span {
    pub from: i64,
    /// None while it goes on.
    pub to: Option<i64>,
}

impl From<(i64, Option<i64>)> for Span {
    fn from((from, to): (i64, Option<i64>)) -> Self {
        Self { from, to }
    }
}

impl From<Span> for (i64, Option<i64>) {
    fn from(Span { from, to }: Span) -> Self {
        (from, to)
    }
}

/// One life of a room, by its sid. LiveKit may go on with a sid after a crash, and that is one life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRow {
    /// LiveKit's id of it (`RM_…`).
    pub sid: String,
    pub room: String,
    pub started_at: i64,
    /// None while it goes on.
    pub finished_at: Option<i64>,
    /// Whether `finished_at` was said. True while it goes on.
    pub exact: bool,
    /// LiveKit's name of the reason for its end, if it said one.
    pub reason: Option<String>,
    pub finished_told_by: Option<ToldBy>,
    /// What its sessions come to, once it has ended.
    pub totals: Option<Totals>,
    /// The newest item that was applied to it.
    pub seq: i64,
}

/// What the sessions of a life of a room come to. Agents do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The most people inside at the same time.
    pub peak: i64,
    /// Different identities.
    pub people: i64,
    pub sessions: i64,
}
