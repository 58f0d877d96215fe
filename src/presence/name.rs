//! The names that LiveKit gives to things. They are cheap to clone, and a `RoomName` exists only if it is valid.

use std::{borrow::Borrow, fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Bytes of a hash in an id of ours.
const ID_BYTES: usize = 12;

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

text_name!(
    /// One session of one person in a room (`PA_…`).
    ParticipantSid
);
text_name!(
    /// A person, as the application calls them. Two sessions can share an identity.
    Identity
);
text_name!(
    /// One published track (`TR_…`).
    TrackSid
);
text_name!(
    /// One opening of a room (`RM_…`). LiveKit uses it again after a crash, so two openings can share one.
    RoomSid
);
text_name!(
    /// One webhook (`EV_…`), the same in every repetition of it.
    EventId
);

impl EventId {
    /// An id of ours (`LKP_…`) for what has none of LiveKit's: the same for the same parts.
    pub fn of_parts<'part>(parts: impl IntoIterator<Item = &'part [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
            hash.update([0]);
        }
        Self::new(format!("LKP_{}", URL_SAFE_NO_PAD.encode(&hash.finalize()[..ID_BYTES])))
    }
}

/// The name of a LiveKit room: 1 to 512 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// The longest name, in bytes.
    pub const MAX_BYTES: usize = 512;

    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidRoomName`] says which of the rules it breaks.
    pub fn parse(name: &str) -> Result<Self, InvalidRoomName> {
        if name.is_empty() {
            return Err(InvalidRoomName::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(InvalidRoomName::TooLong);
        }
        if name.chars().any(char::is_control) {
            return Err(InvalidRoomName::ControlCharacter);
        }
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RoomName {
    type Error = InvalidRoomName;

    fn try_from(name: String) -> Result<Self, InvalidRoomName> {
        Self::parse(&name)
    }
}

impl Borrow<str> for RoomName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// Why a text cannot be a room's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoomName {
    #[error("the room name is empty")]
    Empty,
    #[error("the room name is longer than {} bytes", RoomName::MAX_BYTES)]
    TooLong,
    #[error("the room name contains a control character")]
    ControlCharacter,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_names_are_1_to_512_bytes_without_control_characters() {
        let longest = "é".repeat(256);
        let cases = [
            ("general", None),
            ("Zimmer 7 🚪/#?&", None),
            (longest.as_str(), None),
            ("", Some(InvalidRoomName::Empty)),
            (&format!("{longest}x"), Some(InvalidRoomName::TooLong)),
            ("a\nb", Some(InvalidRoomName::ControlCharacter)),
            ("a\u{85}b", Some(InvalidRoomName::ControlCharacter)),
        ];
        for (name, expected) in cases {
            assert_eq!(RoomName::parse(name).err(), expected, "{name:?}");
        }
    }
}
