//! One person in a roster, as clients see it.

use serde::Serialize;

use crate::history::Rfc3339;

/// The version of an entry that no moderator wrote.
pub const UNWRITTEN: i64 = 0;

/// One person in a roster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RosterEntry {
    pub identity: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub role: String,
    pub can_speak: bool,
    pub can_video: bool,
    pub invited: bool,
    pub invited_at: Option<Rfc3339>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub status: RosterStatus,
    pub joined_at: Option<Rfc3339>,
    pub left_at: Option<Rfc3339>,
    /// Of what moderators wrote: it stays while the person comes and goes.
    pub version: String,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RosterStatus {
    Invited,
    Joined,
    Left,
}

impl RosterEntry {
    pub fn is_online(&self) -> bool {
        self.status == RosterStatus::Joined
    }
}
