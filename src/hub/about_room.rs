//! One room without its people, as clients see it.

use serde::Serialize;

use crate::{
    presence::{Counts, RoomName, RoomSid, Version},
    store::{RoomAbout, RoomSummary},
};

use super::{lookup::Source, room_body::RoomBody};

/// A room as it was read. Serializes to what `GET …/rooms/{room}` answers: what the list of rooms says of it, and more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AboutRoom {
    #[serde(flatten)]
    body: RoomBody,
    /// Whether the list of rooms has it.
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<RoomSid>,
    /// None where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    /// Of the list of people.
    version: Version,
    #[serde(skip)]
    pub source: Source,
    /// Whether everybody in it is known.
    #[serde(skip)]
    pub is_complete: bool,
}

impl AboutRoom {
    /// `about` is none of a room that the store does not hold. `is_listed`: whether it is active all the same, because LiveKit lists
    /// it.
    pub(super) fn new(
        name: &RoomName,
        about: Option<RoomAbout>,
        is_listed: bool,
        is_complete: bool,
        source: Source,
    ) -> Self {
        let Some(about) = about else {
            let summary = RoomSummary {
                name: name.clone(),
                counts: Counts::default(),
                started_at: None,
                recording: None,
                is_complete,
            };
            return Self {
                body: summary.into(),
                active: is_listed,
                sid: None,
                metadata: None,
                version: Version::ZERO,
                source,
                is_complete,
            };
        };
        Self {
            body: about.summary(name, is_complete).into(),
            active: about.is_active,
            sid: about.sid,
            metadata: about.metadata,
            version: about.position.version,
            source,
            is_complete,
        }
    }
}
