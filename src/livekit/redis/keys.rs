//! What LiveKit calls its keys. Other programs may have keys in the same Redis.

use crate::presence::RoomName;

/// Hash: names of rooms, each with its `livekit.Room`.
pub(super) const ROOMS: &str = "rooms";
/// String: the version of the newest LiveKit that ever used this Redis.
pub(super) const VERSION: &str = "livekit_version";
/// Hash: LiveKit's servers, each with its `livekit.Node`. Each writes its own every two seconds.
pub(super) const NODES: &str = "nodes";
/// Before a room's name. Hash: identities, each with its `livekit.ParticipantInfo`.
const PARTICIPANTS: &str = "room_participants:";
/// No room has this name.
pub(super) const NOBODY: &str = PARTICIPANTS;

pub(super) fn participants(room: &RoomName) -> String {
    format!("{PARTICIPANTS}{room}")
}

/// What a key holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    Participants(RoomName),
    Rooms,
    Version,
}

impl Key {
    /// None for a key that is not read here.
    pub fn parse(key: &[u8]) -> Option<Self> {
        match std::str::from_utf8(key).ok()? {
            ROOMS => Some(Self::Rooms),
            VERSION => Some(Self::Version),
            key => {
                let room = key.strip_prefix(PARTICIPANTS)?;
                RoomName::parse(room).ok().map(Self::Participants)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_name() {
        let general = RoomName::parse("general:1").unwrap();
        assert_eq!(participants(&general), "room_participants:general:1");
        for (key, parsed) in [
            ("room_participants:general:1", Some(Key::Participants(general))),
            ("rooms", Some(Key::Rooms)),
            ("livekit_version", Some(Key::Version)),
            ("room_participants:", None),
            ("rooms:general", None),
            // Read each second, so what is told of it says nothing.
            ("nodes", None),
            ("lkp:room:general", None),
        ] {
            assert_eq!(Key::parse(key.as_bytes()), parsed, "{key}");
        }
        assert_eq!(Key::parse(b"room_participants:\xff"), None);
    }
}
