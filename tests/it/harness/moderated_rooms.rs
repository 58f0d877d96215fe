//! What moderators have the fake of LiveKit do, in LiveKit's words and with its statuses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::room_service::ModerationReply as Reply;

/// LiveKit takes less than this of a participant's metadata, by default.
const MAX_METADATA_BYTES: usize = 64_000;

/// The rooms of a LiveKit, for as long as it carries out one call.
pub struct ModeratedRooms<'rooms> {
    pub rooms: &'rooms mut BTreeMap<String, Vec<Value>>,
    /// Identities whose node is gone.
    pub dead: &'rooms BTreeSet<String>,
    /// `room.enable_remote_unmute`.
    pub may_unmute: bool,
}

impl ModeratedRooms<'_> {
    /// None for a call that moderates nothing.
    pub fn act(mut self, method: &str, request: &Value) -> Option<Reply> {
        Some(match method {
            "GetParticipant" => self.participant(request).map_or_else(
                || failure(404, "not_found", "participant does not exist"),
                |participant| (200, participant.clone()),
            ),
            "UpdateParticipant" => self.update(request),
            "RemoveParticipant" => self.remove(request),
            "MutePublishedTrack" => self.mute(request),
            "DeleteRoom" => match self.rooms.remove(text(request, "room")) {
                Some(_) => (200, json!({})),
                None => failure(404, "not_found", "requested room does not exist"),
            },
            _ => return None,
        })
    }

    fn participant(&mut self, request: &Value) -> Option<&mut Value> {
        let people = self.rooms.get_mut(text(request, "room"))?;
        people.iter_mut().find(|one| one["identity"] == request["identity"])
    }

    /// Somebody whose node carries out calls. A call about anybody else reaches no node.
    fn reached(&mut self, request: &Value) -> Option<&mut Value> {
        let is_dead = self.dead.contains(text(request, "identity"));
        self.participant(request).filter(|_| !is_dead)
    }

    fn update(&mut self, request: &Value) -> Reply {
        if text(request, "metadata").len() > MAX_METADATA_BYTES {
            return failure(400, "invalid_argument", "metadata exceeds limits");
        }
        let Some(participant) = self.reached(request) else { return no_response() };
        for field in ["name", "metadata", "permission"] {
            if !request[field].is_null() && request[field] != "" {
                participant[field] = request[field].clone();
            }
        }
        for (key, value) in request["attributes"].as_object().into_iter().flatten() {
            if value == "" {
                participant["attributes"].as_object_mut().unwrap().remove(key);
            } else {
                participant["attributes"][key] = value.clone();
            }
        }
        if participant["permission"]["can_publish"] == false {
            participant["tracks"] = json!([]);
        }
        rise(participant);
        (200, participant.clone())
    }

    fn remove(&mut self, request: &Value) -> Reply {
        if self.participant(request).is_none() {
            return failure(404, "not_found", "participant does not exist");
        }
        if self.reached(request).is_none() {
            return no_response();
        }
        let people = self.rooms.get_mut(text(request, "room")).unwrap();
        people.retain(|one| one["identity"] != request["identity"]);
        (200, json!({}))
    }

    fn mute(&mut self, request: &Value) -> Reply {
        let may_unmute = self.may_unmute;
        let Some(participant) = self.reached(request) else { return no_response() };
        let tracks = participant["tracks"].as_array_mut().into_iter().flatten();
        let mut tracks = tracks.into_iter();
        let Some(track) = tracks.find(|track| track["sid"] == request["track_sid"]) else {
            return failure(404, "not_found", "track is not found");
        };
        if request["muted"] == false && !may_unmute {
            return failure(412, "failed_precondition", "remote unmute not enabled");
        }
        track["muted"] = request["muted"].clone();
        let track = track.clone();
        rise(participant);
        (200, json!({"track": track}))
    }
}

fn rise(participant: &mut Value) {
    participant["version"] = json!(participant["version"].as_u64().unwrap_or_default() + 1);
}

fn text<'request>(request: &'request Value, field: &str) -> &'request str {
    request[field].as_str().unwrap_or_default()
}

fn failure(status: u16, code: &str, message: &str) -> Reply {
    (status, json!({"code": code, "msg": message}))
}

fn no_response() -> Reply {
    failure(503, "unavailable", "twirp error unknown: no response from servers")
}
