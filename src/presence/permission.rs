//! What a participant may do, as far as clients are told.

use serde::{Deserialize, Serialize};

/// `ParticipantPermission` in short. By default, and where LiveKit does not say, everything is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and LiveKit's")]
pub struct Permission {
    pub can_publish: bool,
    pub can_subscribe: bool,
    pub can_publish_data: bool,
    /// Not a permission, but LiveKit's `agent` grant: its holder is an agent of whatever kind.
    #[serde(default, skip_serializing_if = "super::participant::is_default")]
    pub agent: bool,
}

impl Default for Permission {
    fn default() -> Self {
        Self { can_publish: true, can_subscribe: true, can_publish_data: true, agent: false }
    }
}
