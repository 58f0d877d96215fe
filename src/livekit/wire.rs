//! LiveKit's JSON: protojson in webhooks (camelCase, zero values left out, int64 as strings) and in Twirp answers (`snake_case`,
//! everything present). Reads both, and ignores what a later LiveKit adds: a webhook that is refused for a new field is lost for
//! good. What LiveKit keeps in Redis becomes the same types (`src/livekit/redis/messages.rs`), so that each rule is here once.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};
use serde_json::Value;

use crate::presence::{
    DataTrack, Identity, KindDetail, LiveKitTime, ParticipantKind, ParticipantSid, Permission,
    Profile, SessionInfo, SessionState, Track, TrackKind, TrackSid, TrackSource,
};

use super::object::Object;

/// `livekit_webhook.proto` of livekit/protocol.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookEvent {
    pub event: Option<String>,
    pub id: Option<String>,
    #[serde(alias = "created_at")]
    pub created_at: Option<Integer>,
    pub room: Option<Object<WebhookRoom>>,
    pub participant: Option<Object<ParticipantInfo>>,
    pub track: Option<Object<TrackInfo>>,
    #[serde(alias = "room_end_reason")]
    pub room_end_reason: Option<EnumValue>,
    #[serde(alias = "egress_info")]
    pub egress_info: Option<Value>,
    #[serde(alias = "ingress_info")]
    pub ingress_info: Option<Value>,
    pub job: Option<Value>,
}

/// A room as webhooks, lists and LiveKit's Redis have it (`livekit_models.proto` of livekit/protocol). Its `turnPassword` is never
/// kept.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WebhookRoom {
    pub sid: Option<String>,
    pub name: Option<String>,
    pub metadata: Option<String>,
    #[serde(alias = "creation_time")]
    pub creation_time: Option<Integer>,
    #[serde(alias = "creation_time_ms")]
    pub creation_time_ms: Option<Integer>,
    #[serde(alias = "active_recording")]
    pub active_recording: Option<bool>,
}

/// `livekit_models.proto` of livekit/protocol.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParticipantInfo {
    pub sid: Option<String>,
    pub identity: Option<String>,
    pub state: Option<EnumValue>,
    pub tracks: Option<Vec<Object<TrackInfo>>>,
    pub metadata: Option<String>,
    #[serde(alias = "joined_at")]
    pub joined_at: Option<Integer>,
    #[serde(alias = "joined_at_ms")]
    pub joined_at_ms: Option<Integer>,
    pub name: Option<String>,
    pub version: Option<Integer>,
    pub permission: Option<Object<PermissionInfo>>,
    pub kind: Option<EnumValue>,
    #[serde(alias = "kind_details")]
    pub kind_details: Option<Vec<EnumValue>>,
    #[serde(alias = "data_tracks")]
    pub data_tracks: Option<Vec<Object<DataTrackInfo>>>,
    pub attributes: Option<BTreeMap<String, Option<String>>>,
    #[serde(alias = "disconnect_reason")]
    pub disconnect_reason: Option<EnumValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionInfo {
    #[serde(alias = "can_publish")]
    pub can_publish: Option<bool>,
    #[serde(alias = "can_subscribe")]
    pub can_subscribe: Option<bool>,
    #[serde(alias = "can_publish_data")]
    pub can_publish_data: Option<bool>,
    #[serde(alias = "can_publish_sources")]
    pub can_publish_sources: Option<Vec<EnumValue>>,
    pub hidden: Option<bool>,
    pub recorder: Option<bool>,
    pub agent: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DataTrackInfo {
    pub sid: Option<String>,
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TrackInfo {
    pub sid: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<EnumValue>,
    pub source: Option<EnumValue>,
    pub name: Option<String>,
    pub muted: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RoomList {
    pub rooms: Option<Vec<Object<WebhookRoom>>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ParticipantList {
    pub participants: Option<Vec<Object<ParticipantInfo>>>,
}

/// A required field is missing or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub &'static str);

impl ParticipantInfo {
    /// The sources that they may publish, if they may publish at all; empty: any.
    pub fn sources(&self) -> Vec<TrackSource> {
        let permission = self.permission.as_ref();
        let sources = permission.and_then(|Object(one)| one.can_publish_sources.as_deref());
        sources.unwrap_or_default().iter().map(track_source).collect()
    }

    pub fn into_session(self) -> Result<SessionInfo, Missing> {
        let joined_at = match (self.joined_at_ms, self.joined_at) {
            (Some(Integer(millis)), _) if millis != 0 => LiveKitTime::from_millis(millis),
            // Older servers, such as 1.8.0, know only seconds.
            (_, seconds) => LiveKitTime::from_secs(seconds.unwrap_or_default().0),
        };
        let permission = self.permission.map(|Object(permission)| permission);
        let has = |grant: fn(&PermissionInfo) -> Option<bool>| {
            permission.as_ref().and_then(grant).unwrap_or_default()
        };
        Ok(SessionInfo {
            sid: ParticipantSid::new(required(self.sid, "participant.sid")?),
            identity: Identity::new(required(self.identity, "participant.identity")?),
            state: session_state(&self.state.unwrap_or_default()),
            joined_at,
            version: u32::try_from(self.version.unwrap_or_default().0).unwrap_or_default(),
            hidden: has(|permission| permission.hidden),
            recorder: has(|permission| permission.recorder),
            profile: Arc::new(Profile {
                name: self.name.unwrap_or_default(),
                metadata: self.metadata.unwrap_or_default(),
                attributes: present_only(self.attributes.unwrap_or_default()),
                kind: match self.kind.unwrap_or_default() {
                    EnumValue::Name(name) => ParticipantKind::from_name(&name),
                    EnumValue::Number(number) => ParticipantKind::from_number(number),
                },
                permission: permission.map(Permission::from).unwrap_or_default(),
                kind_details: kind_details(self.kind_details.unwrap_or_default()),
                data_tracks: data_tracks(self.data_tracks.unwrap_or_default()),
            }),
            tracks: self
                .tracks
                .unwrap_or_default()
                .into_iter()
                .map(|Object(track)| track.into_track())
                .collect::<Result<_, _>>()?,
        })
    }
}

impl From<PermissionInfo> for Permission {
    /// LiveKit leaves out what is not granted.
    fn from(info: PermissionInfo) -> Self {
        Self {
            can_publish: info.can_publish.unwrap_or_default(),
            can_subscribe: info.can_subscribe.unwrap_or_default(),
            can_publish_data: info.can_publish_data.unwrap_or_default(),
            agent: info.agent.unwrap_or_default(),
        }
    }
}

impl TrackInfo {
    pub fn into_track(self) -> Result<Track, Missing> {
        Ok(Track {
            sid: TrackSid::new(required(self.sid, "track.sid")?),
            source: track_source(&self.source.unwrap_or_default()),
            kind: match self.kind.unwrap_or_default() {
                EnumValue::Name(name) => TrackKind::from_name(&name),
                EnumValue::Number(number) => TrackKind::from_number(number),
            },
            muted: self.muted.unwrap_or_default(),
            name: self.name.unwrap_or_default(),
        })
    }
}

fn track_source(source: &EnumValue) -> TrackSource {
    match source {
        EnumValue::Name(name) => TrackSource::from_name(name),
        EnumValue::Number(number) => TrackSource::from_number(*number),
    }
}

fn kind_details(details: Vec<EnumValue>) -> Vec<KindDetail> {
    let detail = |detail| match detail {
        EnumValue::Name(name) => KindDetail::from_name(&name),
        EnumValue::Number(number) => KindDetail::from_number(number),
    };
    details.into_iter().map(detail).collect()
}

/// LiveKit's lists name them in any order. One without a sid is left out, since nothing else about its publisher depends on it.
fn data_tracks(tracks: Vec<Object<DataTrackInfo>>) -> Vec<DataTrack> {
    let track = |Object(DataTrackInfo { sid, name })| {
        let sid = sid.filter(|sid| !sid.is_empty())?;
        Some(DataTrack { sid: TrackSid::new(sid), name: name.unwrap_or_default() })
    };
    let mut tracks: Vec<_> = tracks.into_iter().filter_map(track).collect();
    tracks.sort_by(|a, b| a.sid.cmp(&b.sid));
    tracks
}

pub(super) fn required(text: Option<String>, field: &'static str) -> Result<String, Missing> {
    text.filter(|text| !text.is_empty()).ok_or(Missing(field))
}

/// `ParticipantInfo.State`. A state that this build does not know counts as connecting.
fn session_state(state: &EnumValue) -> SessionState {
    match state {
        EnumValue::Number(2) => SessionState::Active,
        EnumValue::Number(3) => SessionState::Disconnected,
        EnumValue::Number(_) => SessionState::Connecting,
        EnumValue::Name(name) => match name.as_str() {
            "ACTIVE" => SessionState::Active,
            "DISCONNECTED" => SessionState::Disconnected,
            _ => SessionState::Connecting,
        },
    }
}

fn present_only(attributes: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    attributes.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

/// An enum's member: its name, or its number where the sender's build did not know the name.
#[derive(Debug)]
pub(super) enum EnumValue {
    Number(i64),
    Name(String),
}

impl<'de> Deserialize<'de> for EnumValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EnumVisitor)
    }
}

struct EnumVisitor;

impl Visitor<'_> for EnumVisitor {
    type Value = EnumValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an enum's member, or its number")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<EnumValue, E> {
        Ok(EnumValue::Number(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<EnumValue, E> {
        let number = i64::try_from(value).map(EnumValue::Number);
        number.map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<EnumValue, E> {
        Ok(EnumValue::Name(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<EnumValue, E> {
        Ok(EnumValue::Name(value))
    }
}

impl EnumValue {
    /// Its name; its number where neither the sender nor `names` has one.
    pub fn into_name(self, names: &[&str]) -> String {
        match self {
            Self::Name(name) => name,
            Self::Number(number) => {
                let known = usize::try_from(number).ok().and_then(|number| names.get(number));
                known.map_or_else(|| number.to_string(), |name| (*name).to_owned())
            }
        }
    }
}

impl Default for EnumValue {
    fn default() -> Self {
        Self::Number(0)
    }
}

/// An integer as a JSON number or as a string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Integer(pub i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor)
    }
}

struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, as a number or as a string")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Integer, E> {
        Ok(Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Integer, E> {
        i64::try_from(value)
            .map(Integer)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Integer, E> {
        #[expect(clippy::cast_possible_truncation, reason = "checked to lose nothing that matters")]
        let integer = value as i64;
        #[expect(
            clippy::cast_precision_loss,
            clippy::float_cmp,
            reason = "exact where it is whole"
        )]
        if integer as f64 == value {
            Ok(Integer(integer))
        } else {
            Err(E::invalid_value(de::Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Integer, E> {
        value.parse().map(Integer).map_err(|_| E::invalid_value(de::Unexpected::Str(value), &self))
    }
}
