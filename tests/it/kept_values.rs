//! Reads `tests/fixtures/livekit-redis`: what a real LiveKit, of several versions, kept in Redis, byte for byte, beside its own
//! lists at the same moment. `real::kept` captures them.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine, prelude::BASE64_STANDARD};
use livekit_presence::{
    livekit::{parse_participants, redis},
    presence::{KindDetail, LiveKitTime, ParticipantKind, SessionInfo},
};
use serde_json::{Value, json};

#[test]
fn the_values_in_livekits_redis_say_what_its_lists_say() {
    let all = KeptValues::all();
    let versions: Vec<_> = all.iter().map(|kept| kept.version.as_str()).collect();
    assert_eq!(versions, ["1.11.0", "1.13.5", "1.8.0"]);
    for moment in all.iter().flat_map(|kept| &kept.moments) {
        moment.check();
    }
}

#[test]
fn the_captured_values_have_all_that_is_read() {
    let all = KeptValues::all();
    let newest = all.iter().find(|kept| kept.version == "1.13.5").unwrap();
    let people = newest.moments[1].check();
    let person = |identity: &str| {
        people.iter().find(|one| one.identity.as_str() == identity).unwrap().clone()
    };
    let host = person("host");
    let tracks: BTreeMap<_, _> =
        host.tracks.iter().map(|track| (track.source.as_str(), track.muted)).collect();
    let expected = [("CAMERA", true), ("MICROPHONE", true), ("SCREEN_SHARE", false)];
    assert_eq!(tracks, BTreeMap::from(expected));
    assert_eq!((&*host.profile.name, &*host.profile.metadata), ("Zoë 🎧", r#"{"team":"blue"}"#));
    assert_eq!(host.profile.attributes["größe"], "1,80 m");
    assert_eq!(host.profile.data_tracks[0].name, "telemetry");
    let agent = person("agent");
    assert!(agent.profile.permission.agent && agent.profile.kind == ParticipantKind::Agent);
    assert_eq!(agent.profile.kind_details, [KindDetail::CloudAgent, KindDetail::Forwarded]);
    assert!(person("hidden").hidden && person("recorder").recorder);
    assert!(!person("speaker").profile.permission.can_publish_data);
    let room = redis::room(&newest.moments[1].room).unwrap();
    assert_eq!((&*room.metadata, room.active_recording), (r#"{"topic":"Größe"}"#, true));
}

/// Whatever becomes of a value, it is read or refused.
#[test]
fn damaged_values_never_break_anything() {
    let mut random = fastrand::Rng::with_seed(17);
    let all = KeptValues::all();
    let moments: Vec<_> = all.iter().flat_map(|kept| &kept.moments).collect();
    let values: Vec<_> =
        moments.iter().flat_map(|one| one.participants.values().chain([&one.room])).collect();
    let (mut read, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut value = values[random.usize(..values.len())].clone();
        value.truncate(random.usize(1..=value.len()));
        for _ in 0..random.usize(..4) {
            let at = random.usize(..value.len());
            value[at] = random.u8(..);
        }
        match redis::participants([("somebody", &value)]) {
            Ok(_) => read += 1,
            Err(_) => refused += 1,
        }
        let _ = redis::room(&value);
    }
    assert!(read > 100 && refused > 100, "{read} were read, {refused} refused");
}

/// What one LiveKit kept, at several moments.
pub struct KeptValues {
    pub version: String,
    pub moments: Vec<Moment>,
}

/// A room at one moment.
pub struct Moment {
    pub what: String,
    /// The hash of the room's participants.
    pub participants: BTreeMap<String, Vec<u8>>,
    /// The answer of `ListParticipants`.
    pub list: Value,
    /// The value of the room.
    pub room: Vec<u8>,
    /// The room in the answer of `ListRooms`.
    pub listed_room: Value,
}

impl KeptValues {
    pub fn all() -> Vec<Self> {
        let mut files: Vec<_> =
            std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |path: &PathBuf| {
            Self::from_json(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
        };
        files.iter().map(read).collect()
    }

    /// Writes them beside the others.
    pub fn capture(&self) {
        let moments: Vec<_> = self.moments.iter().map(Moment::to_json).collect();
        let json = json!({"livekit": self.version, "moments": moments});
        let path = folder().join(format!("{}.json", self.version));
        std::fs::write(path, format!("{json:#}\n")).unwrap();
    }

    fn from_json(json: &Value) -> Self {
        let moments = json["moments"].as_array().unwrap();
        Self {
            version: json["livekit"].as_str().unwrap().to_owned(),
            moments: moments.iter().map(Moment::from_json).collect(),
        }
    }
}

impl Moment {
    /// Checks that the values and the lists say the same. Returns what they say of the people.
    pub fn check(&self) -> Vec<SessionInfo> {
        let body = self.list.to_string();
        let listed = sorted(parse_participants(body.as_bytes()).unwrap());
        let kept = sorted(redis::participants(&self.participants).unwrap());
        assert_eq!(kept, listed, "{}", self.what);
        let room = redis::room(&self.room).unwrap();
        let text = |name: &str| self.listed_room[name].as_str().unwrap_or_default();
        assert_eq!(room.name.as_str(), text("name"), "{}", self.what);
        assert_eq!(room.sid.unwrap().as_str(), text("sid"), "{}", self.what);
        assert_eq!(room.metadata, text("metadata"), "{}", self.what);
        assert_eq!(room.active_recording, self.listed_room["active_recording"] == true);
        assert_eq!(room.created_at, Some(self.created_at()), "{}", self.what);
        kept
    }

    /// When the room was created: in milliseconds, or in seconds by a LiveKit that knows only these.
    fn created_at(&self) -> LiveKitTime {
        let number =
            |name: &str| self.listed_room[name].as_str().and_then(|text| text.parse().ok());
        number("creation_time_ms").map_or_else(
            || LiveKitTime::from_secs(number("creation_time").unwrap()),
            LiveKitTime::from_millis,
        )
    }

    fn from_json(json: &Value) -> Self {
        let bytes = |value: &Value| BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
        let participants = json["participants"].as_object().unwrap();
        Self {
            what: json["what"].as_str().unwrap().to_owned(),
            participants: participants
                .iter()
                .map(|(identity, value)| (identity.clone(), bytes(value)))
                .collect(),
            list: json["list_participants"].clone(),
            room: bytes(&json["room"]),
            listed_room: json["listed_room"].clone(),
        }
    }

    fn to_json(&self) -> Value {
        let text = |bytes: &[u8]| Value::from(BASE64_STANDARD.encode(bytes));
        let participants = self.participants.iter();
        let participants: serde_json::Map<_, _> =
            participants.map(|(identity, value)| (identity.clone(), text(value))).collect();
        json!({
            "what": self.what,
            "participants": participants,
            "list_participants": self.list,
            "room": text(&self.room),
            "listed_room": self.listed_room,
        })
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/livekit-redis")
}

fn sorted(mut people: Vec<SessionInfo>) -> Vec<SessionInfo> {
    people.sort_by(|a, b| a.sid.as_str().cmp(b.sid.as_str()));
    people
}
