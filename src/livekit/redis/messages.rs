//! The values in LiveKit's Redis: messages of `livekit_models.proto` of livekit/protocol, each with the fields that are needed
//! here. They are read as the same messages in JSON are (`src/livekit/wire.rs`), so that a list from here equals the one that
//! `ListParticipants` answers. Fields and enum members that this build does not know are accepted, as there.

use std::collections::BTreeMap;

use prost::Message;

use crate::{
    livekit::{
        object::Object,
        wire::{self, EnumValue, Integer, Missing, required},
    },
    presence::{InvalidRoomName, RoomName, SessionInfo},
};

use super::room_object::RoomObject;

/// Why a value cannot be read. Never quotes the value.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("a value in LiveKit's Redis is not the expected protobuf")]
    NotProtobuf(#[from] prost::DecodeError),
    #[error("a value in LiveKit's Redis has no `{0}`")]
    MissingField(&'static str),
    #[error("a room in LiveKit's Redis cannot be watched: {0}")]
    RoomName(#[from] InvalidRoomName),
}

impl From<Missing> for Unreadable {
    fn from(Missing(field): Missing) -> Self {
        Self::MissingField(field)
    }
}

/// Reads the hash `room_participants:<room>`: identities, each with its session.
///
/// # Errors
/// A value is no such message, or somebody has no `sid` or no `identity`.
pub fn participants<K, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (K, V)>,
) -> Result<Vec<SessionInfo>, Unreadable> {
    fields.into_iter().map(|(_, value)| participant(value.as_ref())).collect()
}

pub(super) fn participant(bytes: &[u8]) -> Result<SessionInfo, Unreadable> {
    let message = ParticipantInfo::decode(bytes)?;
    Ok(wire::ParticipantInfo::from(message).into_session()?)
}

/// Reads a value of the hash `rooms`.
///
/// # Errors
/// It is no such message, or the room's name is missing, or cannot be watched.
pub fn room(bytes: &[u8]) -> Result<RoomObject, Unreadable> {
    let message = Room::decode(bytes)?;
    let num_participants = message.num_participants;
    let mut room = wire::WebhookRoom::from(message);
    Ok(RoomObject {
        name: RoomName::parse(&required(room.name.take(), "room.name")?)?,
        sid: room.sid(),
        created_at: room.created_at(),
        metadata: room.metadata.unwrap_or_default(),
        active_recording: room.active_recording.unwrap_or_default(),
        num_participants,
    })
}

// Enums are read as integers, which is how they are encoded, so that every number is accepted.

#[derive(Message)]
struct ParticipantInfo {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(string, tag = "2")]
    identity: String,
    #[prost(int32, tag = "3")]
    state: i32,
    #[prost(message, repeated, tag = "4")]
    tracks: Vec<TrackInfo>,
    #[prost(string, tag = "5")]
    metadata: String,
    #[prost(int64, tag = "6")]
    joined_at: i64,
    #[prost(string, tag = "9")]
    name: String,
    #[prost(uint32, tag = "10")]
    version: u32,
    #[prost(message, optional, tag = "11")]
    permission: Option<ParticipantPermission>,
    #[prost(int32, tag = "14")]
    kind: i32,
    #[prost(btree_map = "string, string", tag = "15")]
    attributes: BTreeMap<String, String>,
    #[prost(int32, tag = "16")]
    disconnect_reason: i32,
    #[prost(int64, tag = "17")]
    joined_at_ms: i64,
    #[prost(int32, repeated, tag = "18")]
    kind_details: Vec<i32>,
    #[prost(message, repeated, tag = "19")]
    data_tracks: Vec<DataTrackInfo>,
}

#[derive(Message)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and LiveKit's")]
struct ParticipantPermission {
    #[prost(bool, tag = "1")]
    can_subscribe: bool,
    #[prost(bool, tag = "2")]
    can_publish: bool,
    #[prost(bool, tag = "3")]
    can_publish_data: bool,
    #[prost(bool, tag = "7")]
    hidden: bool,
    #[prost(bool, tag = "8")]
    recorder: bool,
    #[prost(int32, repeated, tag = "9")]
    can_publish_sources: Vec<i32>,
    #[prost(bool, tag = "11")]
    agent: bool,
}

#[derive(Message)]
struct TrackInfo {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(bool, tag = "4")]
    muted: bool,
    #[prost(int32, tag = "9")]
    source: i32,
}

#[derive(Message)]
struct DataTrackInfo {
    #[prost(string, tag = "2")]
    sid: String,
    #[prost(string, tag = "3")]
    name: String,
}

#[derive(Message)]
struct Room {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(int64, tag = "5")]
    creation_time: i64,
    #[prost(string, tag = "8")]
    metadata: String,
    #[prost(uint32, tag = "9")]
    num_participants: u32,
    #[prost(bool, tag = "10")]
    active_recording: bool,
    #[prost(int64, tag = "15")]
    creation_time_ms: i64,
}

impl From<ParticipantInfo> for wire::ParticipantInfo {
    fn from(info: ParticipantInfo) -> Self {
        let attributes = info.attributes.into_iter().map(|(name, value)| (name, Some(value)));
        Self {
            sid: Some(info.sid),
            identity: Some(info.identity),
            state: Some(member(info.state)),
            tracks: Some(info.tracks.into_iter().map(|track| Object(track.into())).collect()),
            metadata: Some(info.metadata),
            joined_at: Some(Integer(info.joined_at)),
            joined_at_ms: Some(Integer(info.joined_at_ms)),
            name: Some(info.name),
            version: Some(Integer(info.version.into())),
            permission: info.permission.map(|permission| Object(permission.into())),
            kind: Some(member(info.kind)),
            kind_details: Some(info.kind_details.into_iter().map(member).collect()),
            data_tracks: Some(
                info.data_tracks.into_iter().map(|track| Object(track.into())).collect(),
            ),
            attributes: Some(attributes.collect()),
            disconnect_reason: Some(member(info.disconnect_reason)),
        }
    }
}

impl From<ParticipantPermission> for wire::PermissionInfo {
    fn from(permission: ParticipantPermission) -> Self {
        let sources = permission.can_publish_sources.into_iter().map(member);
        Self {
            can_publish: Some(permission.can_publish),
            can_subscribe: Some(permission.can_subscribe),
            can_publish_data: Some(permission.can_publish_data),
            can_publish_sources: Some(sources.collect()),
            hidden: Some(permission.hidden),
            recorder: Some(permission.recorder),
            agent: Some(permission.agent),
        }
    }
}

impl From<TrackInfo> for wire::TrackInfo {
    fn from(track: TrackInfo) -> Self {
        Self {
            sid: Some(track.sid),
            kind: Some(member(track.kind)),
            source: Some(member(track.source)),
            name: Some(track.name),
            muted: Some(track.muted),
        }
    }
}

impl From<DataTrackInfo> for wire::DataTrackInfo {
    fn from(track: DataTrackInfo) -> Self {
        Self { sid: Some(track.sid), name: Some(track.name) }
    }
}

impl From<Room> for wire::WebhookRoom {
    fn from(room: Room) -> Self {
        Self {
            sid: Some(room.sid),
            name: Some(room.name),
            metadata: Some(room.metadata),
            creation_time: Some(Integer(room.creation_time)),
            creation_time_ms: Some(Integer(room.creation_time_ms)),
            active_recording: Some(room.active_recording),
        }
    }
}

fn member(number: i32) -> EnumValue {
    EnumValue::Number(number.into())
}

#[cfg(test)]
mod tests {
    use crate::presence::{LiveKitTime, ParticipantKind, SessionState, TrackSource};

    use super::*;

    /// A field of a message: its tag, and its bytes.
    fn text(tag: u8, text: &[u8]) -> Vec<u8> {
        [&[tag << 3 | 2, u8::try_from(text.len()).unwrap()], text].concat()
    }

    fn alice() -> Vec<u8> {
        [text(1, b"PA_1"), text(2, b"alice")].concat()
    }

    fn read(value: &[u8]) -> Result<SessionInfo, Unreadable> {
        participants([("alice", value)]).map(|mut people| people.remove(0))
    }

    #[test]
    fn whoever_lacks_a_sid_or_an_identity_makes_the_list_unreadable() {
        let error = |value: &[u8]| read(value).unwrap_err().to_string();
        assert!(error(&text(2, b"alice")).ends_with("has no `participant.sid`"));
        assert!(error(&text(1, b"PA_1")).ends_with("has no `participant.identity`"));
        let nameless_track = [alice(), text(4, &text(3, b"mic"))].concat();
        assert!(error(&nameless_track).ends_with("has no `track.sid`"));
        assert!(room(&text(1, b"RM_1")).unwrap_err().to_string().ends_with("has no `room.name`"));
    }

    #[test]
    fn unknown_fields_and_members_are_accepted() {
        // Field 200 is text, 201 an integer, 202 has 8 bytes; state 9, kind 77, source 42.
        let unknown = [0xc2, 0x0c, 1, b'x', 0xc8, 0x0c, 5, 0xd1, 0x0c, 1, 2, 3, 4, 5, 6, 7, 8];
        let track = [text(1, b"TR_1"), vec![9 << 3, 42], unknown.to_vec()].concat();
        let members = vec![3 << 3, 9, 14 << 3, 77];
        let value = [alice(), unknown.to_vec(), members, text(4, &track)].concat();
        let info = read(&value).unwrap();
        assert_eq!(info.state, SessionState::Connecting);
        assert_eq!(info.profile.kind, ParticipantKind::from_number(77));
        assert_eq!(info.tracks[0].source, TrackSource::from_number(42));
    }

    #[test]
    fn values_that_are_cut_off_or_no_utf8_are_unreadable() {
        let value = [alice(), text(9, "Zoë".as_bytes())].concat();
        assert_eq!(read(&value).unwrap().profile.name, "Zoë");
        for length in [1, 3, value.len() - 1] {
            let cut = read(&value[..length]);
            assert!(matches!(cut, Err(Unreadable::NotProtobuf(_))), "{length}: {cut:?}");
        }
        let value = [alice(), text(9, b"\xff")].concat();
        assert!(matches!(read(&value), Err(Unreadable::NotProtobuf(_))));
        assert!(matches!(room(b"\x0a\x05RM"), Err(Unreadable::NotProtobuf(_))));
    }

    #[test]
    fn a_room_is_read_with_its_milliseconds_or_else_its_seconds() {
        let described = [text(1, b"RM_1"), text(2, b"general"), text(8, b"agenda"), vec![40, 7]];
        let seconds = described.concat();
        let room_of = |value: &[u8]| room(value).unwrap();
        let read = room_of(&seconds);
        assert_eq!((read.name.as_str(), read.metadata.as_str()), ("general", "agenda"));
        assert_eq!(read.created_at.map(LiveKitTime::as_millis), Some(7_000));
        let millis = [seconds, vec![15 << 3, 5, 10 << 3, 1]].concat();
        let read = room_of(&millis);
        assert_eq!(
            (read.created_at.map(LiveKitTime::as_millis), read.active_recording),
            (Some(5), true)
        );
    }
}
