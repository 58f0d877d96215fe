//! What LiveKit keeps in its Redis: protobuf messages with the numbers that the fields have in `livekit_models.proto`. The benchmark
//! `kept` writes them, too.

use prost::Message;
use serde_json::Value;

/// A room in the hash `rooms`.
pub fn kept_room(name: &str, sid: &str, metadata: &str, creation_time_ms: i64) -> Vec<u8> {
    let [sid, name, metadata] = [sid, name, metadata].map(str::to_owned);
    RoomMessage { sid, name, metadata, creation_time_ms }.encode_to_vec()
}

/// Somebody in the hash `room_participants:<room>`, whom a webhook or a list describes so.
pub fn kept_person(person: &Value) -> Vec<u8> {
    let text = |field: &str| person[field].as_str().unwrap_or_default().to_owned();
    let is = |object: &Value, field: &str| object[field].as_bool().unwrap_or(false);
    let tracks = person["tracks"].as_array().into_iter().flatten().map(|track| TrackMessage {
        sid: track["sid"].as_str().unwrap().to_owned(),
        muted: is(track, "muted"),
        source: 2,
    });
    let attributes = person["attributes"].as_object().into_iter().flatten();
    let permission = Some(&person["permission"]).filter(|one| one.is_object());
    let joined_at_ms = person.get("joinedAtMs").unwrap_or_else(|| &person["joined_at_ms"]);
    let message = PersonMessage {
        sid: text("sid"),
        identity: text("identity"),
        // JOINED or ACTIVE
        state: if person["state"] == "JOINED" { 1 } else { 2 },
        tracks: tracks.collect(),
        metadata: text("metadata"),
        name: text("name"),
        version: u32::try_from(person["version"].as_u64().unwrap()).unwrap(),
        permission: permission.map(|one| PermissionMessage {
            can_subscribe: is(one, "can_subscribe"),
            can_publish: is(one, "can_publish"),
            can_publish_data: is(one, "can_publish_data"),
            hidden: is(one, "hidden"),
            recorder: is(one, "recorder"),
        }),
        // AGENT or STANDARD
        kind: if person["kind"] == "AGENT" { 4 } else { 0 },
        attributes: attributes
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
            .collect(),
        joined_at_ms: joined_at_ms.as_str().unwrap().parse().unwrap(),
    };
    message.encode_to_vec()
}

#[derive(Message)]
struct RoomMessage {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "8")]
    metadata: String,
    #[prost(int64, tag = "15")]
    creation_time_ms: i64,
}

#[derive(Message)]
struct PersonMessage {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(string, tag = "2")]
    identity: String,
    #[prost(int32, tag = "3")]
    state: i32,
    #[prost(message, repeated, tag = "4")]
    tracks: Vec<TrackMessage>,
    #[prost(string, tag = "5")]
    metadata: String,
    #[prost(string, tag = "9")]
    name: String,
    #[prost(uint32, tag = "10")]
    version: u32,
    #[prost(message, optional, tag = "11")]
    permission: Option<PermissionMessage>,
    #[prost(int32, tag = "14")]
    kind: i32,
    #[prost(btree_map = "string, string", tag = "15")]
    attributes: std::collections::BTreeMap<String, String>,
    #[prost(int64, tag = "17")]
    joined_at_ms: i64,
}

#[derive(Message)]
struct TrackMessage {
    #[prost(string, tag = "1")]
    sid: String,
    #[prost(bool, tag = "4")]
    muted: bool,
    /// 2 is the microphone.
    #[prost(int32, tag = "9")]
    source: i32,
}

#[derive(Message)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent, and LiveKit's")]
struct PermissionMessage {
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
}
