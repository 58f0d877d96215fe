//! A session as LiveKit describes it, and a participant as clients see one.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeStruct};

use super::{
    label::{KindDetail, ParticipantKind, TrackKind, TrackSource},
    name::{Identity, ParticipantSid, TrackSid},
    permission::Permission,
    time::LiveKitTime,
};

/// One session as a webhook or one of LiveKit's lists describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub sid: ParticipantSid,
    pub identity: Identity,
    pub state: SessionState,
    pub joined_at: LiveKitTime,
    /// Rises with every change of the session, and so orders two descriptions of it.
    pub version: u32,
    /// `permission.hidden`: takes part, but must not be shown.
    pub hidden: bool,
    /// `permission.recorder`.
    pub recorder: bool,
    pub profile: Arc<Profile>,
    pub tracks: Vec<Track>,
}

impl SessionInfo {
    /// Whether clients may see this session.
    pub fn is_visible(&self) -> bool {
        !self.hidden && !self.is_recorder()
    }

    /// Whether it records the room. While such a session is inside, LiveKit says that the room has an `active_recording`.
    pub fn is_recorder(&self) -> bool {
        self.recorder || self.profile.kind == ParticipantKind::Egress
    }
}

/// How far a session has come (`ParticipantInfo.State`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// JOINING, JOINED, or a state that this build does not know: it does not take part, or not yet.
    Connecting,
    Active,
    Disconnected,
}

/// What LiveKit says about a session apart from its tracks. It is shared and replaced as a whole, so that a change of tracks
/// copies none of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Profile {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metadata: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_default")]
    pub kind: ParticipantKind,
    #[serde(skip_serializing_if = "is_default")]
    pub permission: Permission,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kind_details: Vec<KindDetail>,
    /// In order of their sids. No webhook tells of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_tracks: Vec<DataTrack>,
}

/// For fields that a row leaves out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The attribute in which LiveKit's SIP service says how far a telephone call is (`livekit/attrs.go` of livekit/protocol).
const CALL_STATUS: &str = "sip.callStatus";
/// Calls leave these states by themselves, and no webhook tells (`pkg/sip/participant.go` of livekit/sip): nobody has answered
/// yet, or LiveKit dials digits after the answer.
const CALL_GOES_ON: [&str; 3] = ["dialing", "ringing", "automation"];

impl Profile {
    /// Whether this is an agent and no person.
    pub fn is_agent(&self) -> bool {
        self.kind == ParticipantKind::Agent || self.permission.agent
    }

    /// Whether this is a caller whose call will soon be answered or given up. The kind counts too, because anybody can set the
    /// attribute, and only LiveKit the kind.
    pub fn is_being_called(&self) -> bool {
        let status = || self.attributes.get(CALL_STATUS);
        self.kind == ParticipantKind::Sip
            && status().is_some_and(|status| CALL_GOES_ON.contains(&status.as_str()))
    }
}

/// One published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub sid: TrackSid,
    pub source: TrackSource,
    #[serde(rename = "type")]
    pub kind: TrackKind,
    pub muted: bool,
    pub name: String,
}

/// One track of data that a participant publishes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataTrack {
    pub sid: TrackSid,
    pub name: String,
}

/// One person in a room's list. Serializes to the bytes that clients get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    pub sid: ParticipantSid,
    pub identity: Identity,
    pub joined_at: LiveKitTime,
    pub profile: Arc<Profile>,
    /// In order of their sids.
    pub tracks: Arc<[Track]>,
}

impl Participant {
    /// The order of a list: join time, then identity.
    pub fn order(&self) -> (LiveKitTime, &Identity) {
        (self.joined_at, &self.identity)
    }
}

impl Serialize for Participant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut json = serializer.serialize_struct("Participant", 12)?;
        json.serialize_field("sid", &self.sid)?;
        json.serialize_field("identity", &self.identity)?;
        json.serialize_field("name", &self.profile.name)?;
        json.serialize_field("metadata", &self.profile.metadata)?;
        json.serialize_field("attributes", &self.profile.attributes)?;
        json.serialize_field("kind", &self.profile.kind)?;
        json.serialize_field("joinedAt", &self.joined_at)?;
        json.serialize_field("isPublisher", &!self.tracks.is_empty())?;
        json.serialize_field("tracks", &self.tracks)?;
        // Most participants have none of these, and a list can have ten thousand.
        let Profile { permission, kind_details, data_tracks, .. } = &*self.profile;
        if !is_default(permission) {
            json.serialize_field("permission", permission)?;
        }
        if !kind_details.is_empty() {
            json.serialize_field("kindDetails", kind_details)?;
        }
        if !data_tracks.is_empty() {
            json.serialize_field("dataTracks", data_tracks)?;
        }
        json.end()
    }
}

/// Reads the bytes that clients get.
impl<'de> Deserialize<'de> for Participant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Read {
            sid: ParticipantSid,
            identity: Identity,
            joined_at: LiveKitTime,
            name: String,
            metadata: String,
            attributes: BTreeMap<String, String>,
            kind: ParticipantKind,
            tracks: Vec<Track>,
            #[serde(default)]
            permission: Permission,
            #[serde(default)]
            kind_details: Vec<KindDetail>,
            #[serde(default)]
            data_tracks: Vec<DataTrack>,
        }
        let read = Read::deserialize(deserializer)?;
        let profile = Profile {
            name: read.name,
            metadata: read.metadata,
            attributes: read.attributes,
            kind: read.kind,
            permission: read.permission,
            kind_details: read.kind_details,
            data_tracks: read.data_tracks,
        };
        Ok(Self {
            sid: read.sid,
            identity: read.identity,
            joined_at: read.joined_at,
            profile: Arc::new(profile),
            tracks: read.tracks.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_few_participants_have_is_left_out_where_it_says_nothing() {
        let profile = Profile {
            permission: Permission { can_publish: false, ..Permission::default() },
            kind_details: vec![KindDetail::CloudAgent, KindDetail::from_name("ROBOT")],
            data_tracks: vec![DataTrack { sid: TrackSid::new("DTR_1"), name: "telemetry".into() }],
            ..Profile::default()
        };
        let participant = |profile| Participant {
            sid: ParticipantSid::new("PA_1"),
            identity: Identity::new("alice"),
            joined_at: LiveKitTime::from_millis(5),
            profile: Arc::new(profile),
            tracks: [].into(),
        };
        let head = r#"{"sid":"PA_1","identity":"alice","name":"","metadata":"","attributes":{},"kind":"STANDARD","joinedAt":5,"isPublisher":false,"tracks":[]"#;
        let tail = r#","permission":{"canPublish":false,"canSubscribe":true,"canPublishData":true},"kindDetails":["CLOUD_AGENT","ROBOT"],"dataTracks":[{"sid":"DTR_1","name":"telemetry"}]"#;
        for (participant, tail) in
            [(participant(Profile::default()), ""), (participant(profile), tail)]
        {
            let json = format!("{head}{tail}}}");
            assert_eq!(serde_json::to_string(&participant).unwrap(), json);
            assert_eq!(serde_json::from_str::<Participant>(&json).unwrap(), participant);
        }
    }

    #[test]
    fn clients_get_exactly_these_fields_in_this_order() {
        let alice = Participant {
            sid: ParticipantSid::new("PA_1"),
            identity: Identity::new("alice"),
            joined_at: LiveKitTime::from_millis(1_795_391_850_268),
            profile: Arc::new(Profile {
                name: "Alice".into(),
                metadata: r#"{"team":"blue"}"#.into(),
                attributes: BTreeMap::from([("seat".into(), "1".into())]),
                kind: ParticipantKind::Standard,
                ..Profile::default()
            }),
            tracks: [Track {
                sid: TrackSid::new("TR_1"),
                source: TrackSource::Microphone,
                kind: TrackKind::Audio,
                muted: false,
                name: "mic".into(),
            }]
            .into(),
        };
        assert_eq!(
            serde_json::to_string(&alice).unwrap(),
            r#"{"sid":"PA_1","identity":"alice","name":"Alice","metadata":"{\"team\":\"blue\"}","attributes":{"seat":"1"},"kind":"STANDARD","joinedAt":1795391850268,"isPublisher":true,"tracks":[{"sid":"TR_1","source":"MICROPHONE","type":"AUDIO","muted":false,"name":"mic"}]}"#
        );
    }
}
