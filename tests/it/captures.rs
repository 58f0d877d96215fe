//! Reads `tests/fixtures/webhooks`: real webhooks of a real LiveKit, byte for byte, beside LiveKit's own lists.

use std::{collections::BTreeSet, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use livekit_presence::{
    livekit::{ApiKey, Keys, parse_participants},
    presence::{HostTime, ParticipantSid, SessionInfo, SessionState, StoreTime, TrackSid},
};
use serde_json::Value;

/// One captured scenario.
pub struct Capture {
    pub name: String,
    keys: Vec<ApiKey>,
    key_lines: Vec<String>,
    pub moments: Vec<Moment>,
}

/// One line of a capture.
pub enum Moment {
    Webhook(CapturedWebhook),
    Checkpoint(Checkpoint),
    /// An action of the driver or of a client.
    Action {
        at: StoreTime,
        what: String,
    },
}

pub struct CapturedWebhook {
    /// By the clock of the host that received it, which stands for the store's, too.
    pub at: HostTime,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// LiveKit's own list at one moment.
pub struct Checkpoint {
    pub asked_at: StoreTime,
    pub at: StoreTime,
    pub room: String,
    /// None where LiveKit answered with an error.
    pub list: Option<Vec<SessionInfo>>,
}

/// The sessions that clients see, with their tracks.
pub type People = BTreeSet<(ParticipantSid, Vec<TrackSid>)>;

impl Capture {
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"))
            .collect();
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    pub fn keys(&self) -> Keys {
        Keys::new(&self.keys)
    }

    /// The keys as lines of `LIVEKIT_KEYS`.
    pub fn key_lines(&self) -> Vec<String> {
        self.key_lines.clone()
    }

    pub fn webhooks(&self) -> impl Iterator<Item = &CapturedWebhook> {
        self.moments.iter().filter_map(|moment| match moment {
            Moment::Webhook(webhook) => Some(webhook),
            Moment::Checkpoint(_) | Moment::Action { .. } => None,
        })
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut lines =
            text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        let head = lines.next().expect("the first line describes the scenario");
        let keys = head["keys"].as_object().expect("keys by name");
        Self {
            name: text_of(&head["scenario"]),
            keys: keys
                .iter()
                .map(|(name, secret)| ApiKey::new(name, secret.as_str().unwrap()).unwrap())
                .collect(),
            key_lines: keys
                .iter()
                .map(|(name, secret)| format!("{name}: {}", secret.as_str().unwrap()))
                .collect(),
            moments: lines.map(|line| Moment::read(&line)).collect(),
        }
    }
}

impl Moment {
    fn read(line: &Value) -> Self {
        let (kind, value) = line.as_object().unwrap().iter().next().expect("exactly one key");
        match kind.as_str() {
            "webhook" => Self::Webhook(CapturedWebhook::read(value)),
            "checkpoint" => Self::Checkpoint(Checkpoint::read(value)),
            "note" => {
                Self::Action { at: time_of(&value["at_ms"]), what: text_of(&value["action"]) }
            }
            other => panic!("unknown line: {other}"),
        }
    }
}

impl CapturedWebhook {
    fn read(value: &Value) -> Self {
        let headers = value["headers"].as_array().unwrap();
        Self {
            at: HostTime::from_micros(time_of(&value["at_ms"]).as_micros()),
            headers: headers.iter().map(|pair| (text_of(&pair[0]), text_of(&pair[1]))).collect(),
            body: BASE64_STANDARD.decode(value["body_base64"].as_str().unwrap()).unwrap(),
        }
    }

    pub fn authorization(&self) -> &str {
        let header = self.headers.iter().find(|(name, _)| name == "Authorization");
        &header.expect("every webhook is signed").1
    }
}

impl Checkpoint {
    fn read(value: &Value) -> Self {
        let list = (value["status"] == 200).then(|| {
            let body = serde_json::to_vec(&value["list_participants"]).unwrap();
            parse_participants(&body).expect("LiveKit's list is readable")
        });
        Self {
            asked_at: time_of(&value["asked_at_ms"]),
            at: time_of(&value["at_ms"]),
            room: text_of(&value["room"]),
            list,
        }
    }

    /// The visible people in LiveKit's list.
    pub fn people(&self) -> Option<People> {
        let visible = self
            .list
            .as_ref()?
            .iter()
            .filter(|info| info.state == SessionState::Active && info.is_visible());
        let person = |info: &SessionInfo| {
            let mut tracks: Vec<_> = info.tracks.iter().map(|track| track.sid.clone()).collect();
            tracks.sort();
            (info.sid.clone(), tracks)
        };
        Some(visible.map(person).collect())
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn time_of(value: &Value) -> StoreTime {
    StoreTime::from_millis(value.as_u64().expect("Unix milliseconds"))
}
